package main

import (
	"context"
	"net"

	"github.com/wskit/wskit/examples/conformance"
)

// The sides of agents, as named in reports.
const (
	server = "server"
	client = "client"
)

// agent is one implementation in one role: an echo in its own process.
type agent struct {
	side    string
	name    string
	setup   string // components and configuration of the echo
	version func() (string, error)

	// One of these is set.
	serve   func(ctx context.Context, ln net.Listener) error
	dial    func(ctx context.Context, url string) error
	command func() []string                                                    // for agents not written in Go
	front   func(ctx context.Context) (port int, wait func() error, err error) // for a proxy before a server

	ours *conformance.Assembly // nil for the others
}

func (a *agent) String() string { return a.side + " " + a.name }

// agents returns all agents: servers first, and ours first among them. They
// accept messages of up to limit bytes.
func agents(limit int64) (all []*agent) {
	for _, side := range []string{server, client} {
		all = append(all, assemblies(side, limit)...)
		for _, rivals := range []func(side string, limit int64) []*agent{gobwasAgents, coderAgents, gorillaAgents, gwsAgents, scriptAgents, serverAgents} {
			for _, a := range rivals(side, limit) {
				a.side = side
				all = append(all, a)
			}
		}
	}
	return all
}

// assemblies are the agents of this project.
func assemblies(side string, limit int64) (list []*agent) {
	all := conformance.Servers(limit)
	if side == client {
		all = conformance.Clients(limit)
	}
	for _, a := range all {
		list = append(list, &agent{
			side: side, name: "wskit: " + a.Name, setup: "examples/conformance", version: thisTree,
			serve: a.Serve, dial: a.Dial, ours: &a,
		})
	}
	return list
}
