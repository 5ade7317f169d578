package guide_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wsjson"
)

const (
	closeBadMessage websocket.StatusCode = 4000 // the other side does not speak the protocol
)

// envelope is every message of the protocol. An answer has the ID of its request; an event
// has the ID 0.
type envelope struct {
	ID    uint64          `json:"id,omitempty"`
	Type  string          `json:"type"`
	Body  json.RawMessage `json:"body,omitempty"`
	Error string          `json:"error,omitempty"`
}

// caller is the client of the protocol. Any number of goroutines may call.
type caller struct {
	conn    *websocket.Conn
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan envelope
}

// call sends a request and waits for its answer.
func (c *caller) call(ctx context.Context, kind string, body any) (json.RawMessage, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	answer := make(chan envelope, 1)
	c.mu.Lock()
	c.last++
	id := c.last
	c.waiting[id] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
	}()
	if err := wsjson.Write(ctx, c.conn, envelope{ID: id, Type: kind, Body: encoded}); err != nil {
		return nil, err
	}
	select {
	case e := <-answer:
		if e.Error != "" {
			return nil, errors.New(e.Error)
		}
		return e.Body, nil
	case <-c.conn.Done():
		return nil, c.conn.CloseRecord().Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run reads until the connection ends. It gives answers to their calls.
func (c *caller) run(ctx context.Context, event func(envelope)) error {
	for {
		var e envelope
		if err := wsjson.Read(ctx, c.conn, &e); err != nil {
			return err
		}
		if e.ID == 0 {
			event(e)
			continue
		}
		c.mu.Lock()
		if answer := c.waiting[e.ID]; answer != nil {
			answer <- e
			delete(c.waiting, e.ID)
		}
		c.mu.Unlock()
	}
}

// notes serves the protocol.
func notes(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{"notes.v2", "notes.v1"}, // the best first
		RequireSubprotocol: true,
	})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		_, p, err := c.Read(r.Context())
		if err != nil {
			return
		}
		var request envelope
		if err := json.Unmarshal(p, &request); err != nil || request.ID == 0 {
			c.Close(closeBadMessage, "want an object with an id")
			return
		}
		answer := envelope{ID: request.ID, Type: "answer"}
		switch request.Type {
		case "version":
			answer.Body, _ = json.Marshal(c.Subprotocol())
		default:
			answer.Error = fmt.Sprintf("unknown type %.40q", request.Type)
		}
		if err := wsjson.Write(r.Context(), c, answer); err != nil {
			return
		}
	}
}

func TestNotes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(notes))
	defer server.Close()
	conn, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{Subprotocols: []string{"notes.v1"}})
	require.NoError(t, err)
	c := &caller{conn: conn, waiting: make(map[uint64]chan envelope)}
	ended := make(chan error, 1)
	go func() { ended <- c.run(context.Background(), func(envelope) {}) }()

	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() {
			body, err := c.call(t.Context(), "version", nil)
			if err != nil || string(body) != `"notes.v1"` {
				t.Errorf("got %s, %v", body, err)
			}
		})
	}
	calls.Wait()
	_, err = c.call(t.Context(), "delete everything", nil)
	require.EqualError(t, err, `unknown type "delete everything"`)

	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("hello")))
	require.Equal(t, closeBadMessage, websocket.CloseStatus(<-ended))
	_, err = c.call(t.Context(), "version", nil)
	require.Error(t, err)

	_, response, err := websocket.Dial(t.Context(), server.URL, nil)
	require.Error(t, err)
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
}
