// Package page contains the page of wskit serve and wskit proxy, which shows
// frames.
package page

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"
)

//go:embed files
var pageFiles embed.FS

// Mode is the purpose of the page.
type Mode string

// The modes.
const (
	Serve Mode = "serve" // a client, with the frames that the server reports at /frames
	Hub   Mode = "hub"   // like Serve, with a chat over the hub at /hub
	Proxy Mode = "proxy" // frames of other clients, from /proxied
)

// Handler serves the page, which loads nothing from other hosts. As a client,
// it may connect to any server: by WebSocket to the URL that the user enters,
// and, to find out why that failed, by a request without credentials whose
// response it cannot read.
func Handler(m Mode) http.Handler {
	files, err := fs.Sub(pageFiles, "files")
	if err != nil {
		panic(err) // the name is a constant
	}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		panic(err)
	}
	index = bytes.Replace(index, []byte("<body>"), []byte(`<body data-mode="`+m+`">`), 1)
	policy := "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if m != Proxy {
		policy += "; connect-src 'self' ws: wss: http: https:"
	}
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		if r.URL.Path == "/" || r.URL.Path == "" {
			h.Set("Content-Type", "text/html; charset=utf-8")
			w.Write(index)
			return
		}
		serve.ServeHTTP(w, r)
	})
}
