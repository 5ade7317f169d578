// Package page is the page of wskit serve and wskit proxy, which shows frames.
package page

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"
)

//go:embed files
var pageFiles embed.FS

// Mode is what the page is for.
type Mode string

// The modes.
const (
	Serve Mode = "serve" // a client of its own, and what the server says of it at /frames
	Hub   Mode = "hub"   // the same, with a chat over the hub at /hub
	Proxy Mode = "proxy" // the frames of others, which it reads at /proxied
)

// Handler serves the page, which loads nothing from elsewhere. As a client it may connect
// to any server: by WebSocket to the URL that is entered, and by a request without
// credentials, whose answer it cannot read, to find out why that URL could not be opened.
func Handler(m Mode) http.Handler {
	files, err := fs.Sub(pageFiles, "files")
	if err != nil {
		panic(err) // the name is in the program
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
