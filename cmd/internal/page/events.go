package page

import (
	"fmt"
	"net/http"
)

// Events sends server-sent events, first those in first and then those from
// items, until items is closed or the client disconnects. If before is not nil,
// it is called before each write.
func Events[T any](w http.ResponseWriter, r *http.Request, first []T, items <-chan T, text func(T) string, before func(*http.ResponseController)) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	send := func(s string) bool {
		if before != nil {
			before(control)
		}
		_, err := fmt.Fprint(w, s)
		return err == nil
	}
	if !send(": watching\n\n") {
		return
	}
	for _, one := range first {
		if !send("data: " + text(one) + "\n\n") {
			return
		}
	}
	for control.Flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case one, ok := <-items:
			if !ok || !send("data: "+text(one)+"\n\n") {
				return
			}
		}
	}
}
