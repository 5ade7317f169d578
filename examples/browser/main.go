//go:build !js

// Browser is a chat with server and page in Go. This is the server. It builds
// the page from page_js.go when it starts. From the folder of the examples:
//
//	go run ./browser
package main

import (
	_ "embed" // for the page
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/wskit/wskit/websocket"
)

//go:embed page.html
var page []byte

func main() {
	addr := flag.String("addr", "127.0.0.1:8083", "`host:port` to listen on")
	flag.Parse()
	program, support, err := build()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
	http.HandleFunc("GET /page.wasm", serve("application/wasm", program))
	http.HandleFunc("GET /wasm_exec.js", serve("text/javascript", support))
	http.HandleFunc("GET /chat", new(room).join)

	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("chat: serving on http://%v/\n", ln.Addr())
	// The timeouts are for requests. They do not apply to a connection after
	// the upgrade: Accept has the options for those.
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      5 * time.Minute, // the page is large, and the network may be slow
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	log.Fatal(server.Serve(ln))
}

// build returns the program of the page, and the script of the Go distribution
// that runs it.
func build() (program, support []byte, err error) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "page.wasm")
	cmd := exec.Command("go", "build", "-o", file, "github.com/wskit/wskit/examples/browser")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, nil, err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, nil, err
	}
	if support, err = os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js")); err != nil {
		return nil, nil, err
	}
	program, err = os.ReadFile(file)
	return program, support, err
}

func serve(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Write(content)
	}
}

// room is the set of members.
type room struct{ members websocket.Group }

// join adds a member until it leaves, and broadcasts its messages to all
// members, including itself.
func (r *room) join(w http.ResponseWriter, req *http.Request) {
	conn, err := websocket.Accept(w, req, &websocket.AcceptOptions{
		ConnOptions: websocket.ConnOptions{
			Group:        &r.members,
			WriteTimeout: 5 * time.Second,
			KeepAlive:    30 * time.Second,
			ReadLimit:    1024,
		},
	})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for msg, err := range conn.Messages(req.Context()) {
		if err != nil {
			return
		}
		said, err := websocket.NewPreparedMessage(msg.Type, msg.Data)
		if err != nil {
			return
		}
		r.members.Broadcast(said) // a member that does not read is closed, and does not delay others
	}
}
