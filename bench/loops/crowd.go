//go:build linux

package main

import (
	"fmt"
	"slices"

	"github.com/wskit/wskit/bench/echoserver"
)

// crowd is a load of connections with TLS. It costs much memory and CPU itself,
// so it is only for measurements of the server.
type crowd []*echoserver.Client

func newCrowd(addr, library string, o echoserver.Options, conns int, text []byte) (crowd, error) {
	var all crowd
	for range conns {
		c, err := echoserver.Dial(addr, library, o, text, 1)
		if err != nil {
			all.close()
			return nil, fmt.Errorf("connection %d: %w", len(all), err)
		}
		all = append(all, c)
	}
	return all, nil
}

// echo sends messages on some connections at a time, and waits for the echoes,
// until at least the given number has come.
func (all crowd) echo(messages, _ int) error {
	for done := 0; done < messages; {
		for some := range slices.Chunk(all, 100) {
			for _, c := range some {
				if err := c.Send(); err != nil {
					return err
				}
			}
			for _, c := range some {
				if err := c.Receive(); err != nil {
					return err
				}
			}
			if done += len(some); done >= messages {
				break
			}
		}
	}
	return nil
}

func (all crowd) close() {
	for _, c := range all {
		c.Close()
	}
}
