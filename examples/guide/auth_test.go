package guide_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// A session cookie, which the browser sends by itself.

func cookieHandler(users map[string]string) http.HandlerFunc {
	options := &websocket.AcceptOptions{
		OriginPatterns: []string{"https://app.example"}, // pages of other sites may not use the cookie
	}
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("session")
		if err != nil || users[cookie.Value] == "" {
			http.Error(w, "please sign in", http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return // Accept has answered the client
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte("hello, "+users[cookie.Value]))
		c.Close(websocket.StatusNormalClosure, "")
	}
}

func Example_cookie() {
	server := httptest.NewServer(cookieHandler(map[string]string{"s3cr3t": "ann"}))
	defer server.Close()
	for _, header := range []http.Header{
		{"Cookie": {"session=s3cr3t"}, "Origin": {"https://app.example"}},
		{"Cookie": {"session=s3cr3t"}, "Origin": {"https://evil.example"}},
		{"Origin": {"https://app.example"}},
	} {
		fmt.Println(greeting(server.URL, &websocket.DialOptions{HTTPHeader: header}))
	}
	// Output:
	// hello, ann
	// status 403
	// status 401
}

// A token in the list of subprotocols.

func tokenHandler(check func(token string) (user string, ok bool)) http.HandlerFunc {
	options := &websocket.AcceptOptions{
		Subprotocols:       []string{"chat.v1"},
		RequireSubprotocol: true,
		OriginPatterns:     []string{"*"}, // the token decides, whatever page it comes from
	}
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := websocket.TakeToken(r, "bearer.") // r no longer has the token
		user, ok := check(token)
		if !ok {
			http.Error(w, "invalid token", http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte("hello, "+user))
		c.Close(websocket.StatusNormalClosure, "")
	}
}

func Example_token() {
	server := httptest.NewServer(tokenHandler(func(token string) (string, bool) { return "bob", token == "b0b" }))
	defer server.Close()
	for _, token := range []string{"b0b", "guess"} {
		fmt.Println(greeting(server.URL, &websocket.DialOptions{Subprotocols: []string{"chat.v1", "bearer." + token}}))
	}
	// Output:
	// hello, bob
	// status 401
}

// A ticket in the URL, which is valid once.

type tickets struct {
	mu    sync.Mutex
	users map[string]string
}

// issue answers an authenticated POST with a ticket for 30 seconds.
func (t *tickets) issue(w http.ResponseWriter, user string) {
	ticket := rand.Text()
	t.mu.Lock()
	t.users[ticket] = user
	t.mu.Unlock()
	time.AfterFunc(30*time.Second, func() { t.take(ticket) })
	fmt.Fprint(w, ticket)
}

// take returns the user of a ticket and makes the ticket invalid.
func (t *tickets) take(ticket string) (user string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	user, ok = t.users[ticket]
	delete(t.users, ticket)
	return user, ok
}

func Example_ticket() {
	issued := &tickets{users: make(map[string]string)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := issued.take(r.FormValue("ticket"))
		if !ok {
			http.Error(w, "invalid ticket", http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte("hello, "+user))
		c.Close(websocket.StatusNormalClosure, "")
	}))
	defer server.Close()
	post := httptest.NewRecorder()
	issued.issue(post, "eve")
	url := server.URL + "?ticket=" + post.Body.String()
	fmt.Println(greeting(url, nil))
	fmt.Println(greeting(url, nil))
	// Output:
	// hello, eve
	// status 401
}

// A client that is not a browser sends the field Authorization.

func Example_authorization() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			OnHandshake: func(r *http.Request, _ http.Header) error {
				if r.Header.Get("Authorization") == "Bearer t0k3n" {
					return nil
				}
				return ws.RejectConnectionError(ws.RejectionStatus(http.StatusUnauthorized))
			},
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte("hello, program"))
		c.Close(websocket.StatusNormalClosure, "")
	}))
	defer server.Close()
	fmt.Println(greeting(server.URL, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer t0k3n"}},
	}))
	fmt.Println(greeting(server.URL, nil))
	// Output:
	// hello, program
	// status 401
}

// greeting returns the first message of a server, or the status of its refusal.
func greeting(url string, options *websocket.DialOptions) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, response, err := websocket.Dial(ctx, url, options)
	if err != nil {
		if response == nil {
			return err.Error()
		}
		return fmt.Sprint("status ", response.StatusCode)
	}
	defer c.CloseNow()
	_, p, err := c.Read(ctx)
	if err != nil {
		return err.Error()
	}
	return string(p)
}
