//go:build unix

package main

import (
	"fmt"
	"time"

	"github.com/wskit/wskit/bench/echoserver"
)

// target is a running server with the results of each round.
type target struct {
	name    string
	process *echoserver.Process
	clients []*echoserver.Client
	batch   int // messages in a batch
	answer  int // bytes of the answer to a message

	cpu    []float64 // messages for each second of the server's CPU time
	wall   []float64 // messages for each second of time
	load   []float64 // CPU time of the load, for each second of the server's
	shares []float64 // cpu by that of the base in the same round
}

// stop ends the server and the connections.
func (t *target) stop() error {
	for _, c := range t.clients {
		c.Close()
	}
	t.process.Stop()
	return nil
}

// pair measures a round of t and one of base, which comes first unless later is
// set.
func (t *target) pair(base *target, messages int, later bool) error {
	first, second := base, t
	if later {
		first, second = t, base
	}
	a, err := first.round(messages)
	if err != nil {
		return fmt.Errorf("%s: %w", first.name, err)
	}
	b, err := second.round(messages)
	if err != nil {
		return fmt.Errorf("%s: %w", second.name, err)
	}
	if later {
		a, b = b, a
	}
	t.shares = append(t.shares, b/a)
	return nil
}

// round measures the echo of that many messages, and returns the number for
// each second of the server's CPU time.
func (t *target) round(messages int) (float64, error) {
	before, err := t.process.CPU()
	if err != nil {
		return 0, err
	}
	start, loadBefore := time.Now(), echoserver.CPU()
	if err := t.exchange(messages); err != nil {
		return 0, err
	}
	wall, load := time.Since(start), echoserver.CPU()-loadBefore
	after, err := t.process.CPU()
	if err != nil {
		return 0, err
	}
	used := time.Duration(after.CPU - before.CPU)
	if used <= 0 {
		return 0, fmt.Errorf("the CPU time of %d messages is too short to measure: increase -messages", messages)
	}
	done := float64(t.batches(messages) * t.batch)
	t.cpu = append(t.cpu, done/used.Seconds())
	t.wall = append(t.wall, done/wall.Seconds())
	t.load = append(t.load, load.Seconds()/used.Seconds())
	return done / used.Seconds(), nil
}

// batches returns the number of batches of a round: at least one for each
// connection.
func (t *target) batches(messages int) int { return max(messages/t.batch, len(t.clients)) }

// exchange sends a batch on each connection, and then another one after each
// echo.
func (t *target) exchange(messages int) error {
	for _, c := range t.clients {
		if err := c.Send(); err != nil {
			return err
		}
	}
	n, batches := len(t.clients), t.batches(messages)
	for i := range batches {
		c := t.clients[i%n]
		if err := c.Receive(); err != nil {
			return err
		}
		if i+n < batches {
			if err := c.Send(); err != nil {
				return err
			}
		}
	}
	return nil
}
