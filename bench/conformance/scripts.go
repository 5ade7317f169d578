package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
)

// The folders that the scripts need, relative to the module.
const (
	scripts = "conformance/testdata"
	nodeWS  = "../examples/interop/testdata/node_modules/ws"
)

// scriptAgents are implementations in other languages. Each script is a server
// if its only argument is the limit, and a client if it also gets the suite's
// URL.
func scriptAgents(_ string, limit int64) []*agent {
	folder, _ := filepath.Abs(nodeWS)
	bytes := strconv.FormatInt(limit, 10)
	return []*agent{
		{
			name: "ws", setup: "Node; perMessageDeflate with threshold 0, maxPayload",
			version: printedVersion("node", "-p", "require(process.argv[1] + '/package.json').version + ', Node ' + process.versions.node", folder),
			command: func() []string {
				return []string{"node", "--max-old-space-size=1024", filepath.Join(scripts, "ws.mjs"), folder, bytes}
			},
		},
		{
			name: "websockets", setup: "Python; compression as by default, max_size",
			version: func() (string, error) {
				return printedVersion(python(), "-c", "import platform, websockets; print(f'{websockets.__version__}, Python {platform.python_version()}')")()
			},
			command: func() []string {
				return []string{python(), filepath.Join(scripts, "websockets_echo.py"), bytes}
			},
		},
	}
}

// python is an interpreter with the package websockets: that of the system, or
// the first one in PATH.
var python = sync.OnceValue(func() string {
	const system = "/usr/bin/python3"
	if exec.Command(system, "-c", "import websockets").Run() != nil {
		return "python3"
	}
	return system
})
