package main

import (
	"path/filepath"
	"strconv"
)

// serverAgents are servers in other languages, and proxies with our server
// behind them.
func serverAgents(side string, limit int64) []*agent {
	if side != server {
		return nil
	}
	return append([]*agent{
		nodeServer("websocket", "websocket", "Node; maxReceivedMessageSize; has no compression", limit),
		nodeServer("faye-websocket", "faye", "Node; maxLength; no compression without its extension", limit),
		pythonServer("aiohttp", "Python; compress, max_msg_size", limit),
		pythonServer("tornado", "Python; get_compression_options, websocket_max_message_size", limit),
	}, proxyAgents(limit)...)
}

// nodeServer is a server with an npm package.
func nodeServer(name, library, setup string, limit int64) *agent {
	folder, _ := filepath.Abs(filepath.Join(filepath.Dir(nodeWS), name))
	return &agent{
		name: name, setup: setup,
		version: printedVersion("node", "-p", "require(process.argv[1] + '/package.json').version + ', Node ' + process.versions.node", folder),
		command: func() []string {
			return []string{"node", "--max-old-space-size=1024", filepath.Join(scripts, "node_servers.mjs"), library, folder, strconv.FormatInt(limit, 10)}
		},
	}
}

// pythonServer is a server with a Python package.
func pythonServer(name, setup string, limit int64) *agent {
	return &agent{
		name: name, setup: setup,
		version: func() (string, error) {
			return printedVersion(python(), "-c", "import importlib.metadata as m, platform, sys; print(f'{m.version(sys.argv[1])}, Python {platform.python_version()}')", name)()
		},
		command: func() []string {
			return []string{python(), filepath.Join(scripts, "python_servers.py"), name, strconv.FormatInt(limit, 10)}
		},
	}
}
