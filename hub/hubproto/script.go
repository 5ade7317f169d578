package hubproto

import (
	_ "embed"
	"net/http"
)

//go:embed hub.js
var script []byte

// Script serves the JavaScript client, a module that exports Hub. It is a
// single file that can also be copied.
func Script() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		w.Write(script)
	})
}
