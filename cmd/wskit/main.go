// Command wskit is a tool for working with WebSockets: see wskit --help.
package main

import (
	"os"

	"github.com/wskit/wskit/cmd/internal/app"
)

func main() { os.Exit(app.Run(os.Args[1:])) }
