package hubproto

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

const (
	// DefaultMaxTopics is the default of Server.MaxTopics.
	DefaultMaxTopics = 128

	// DefaultWriteTimeout is the default WriteTimeout of ServeHTTP.
	DefaultWriteTimeout = 30 * time.Second

	// maxPresence is the maximum number of members in an answer, and
	// maxPresenceBytes the maximum size of their JSON. The answer then fits into
	// the default queue of a connection on a loop.
	maxPresence      = 1000
	maxPresenceBytes = 48 << 10

	// restarting is the close reason when the hub drains.
	restarting = "server restarts"
)

// Server serves the protocol. Its fields must not be modified after its first
// use.
type Server struct {
	Hub *hub.Hub // required

	// Options configure the handshake and the connection. nil means the zero
	// value. A WriteTimeout of 0 means DefaultWriteTimeout. The policy of the
	// queue applies to slow clients: with [websocket.SendClose] they reconnect
	// and recover; with the others they are notified of a gap and recover.
	Options *websocket.AcceptOptions

	// Value, if not nil, returns the [hub.Member.Value] of a client, such as
	// its user. The hooks of the hub can read it.
	Value func(r *http.Request) any

	// MaxTopics is the maximum number of subscriptions of a client. 0 means
	// DefaultMaxTopics. A negative value means no limit.
	MaxTopics int
}

// ServeHTTP accepts a connection, and serves it until the connection ends.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o websocket.AcceptOptions
	if s.Options != nil {
		o = *s.Options
	}
	o.WriteTimeout = cmp.Or(o.WriteTimeout, DefaultWriteTimeout)
	var value any
	if s.Value != nil {
		value = s.Value(r)
	}
	var member atomic.Pointer[hub.Member]
	if o.Queue.Policy != websocket.SendClose {
		o.Hooks = withDrained(o.Hooks, func() {
			if m := member.Load(); m != nil {
				m.Drained()
			}
		})
	}
	c, err := websocket.Accept(w, r, &o)
	if err != nil {
		return
	}
	defer c.CloseNow()
	s.serve(context.WithoutCancel(r.Context()), c, value, member.Store)
}

// withDrained returns h with an additional function for Drained. h may be nil.
func withDrained(h *websocket.Hooks, drained func()) *websocket.Hooks {
	var hooks websocket.Hooks
	if h != nil {
		hooks = *h
	}
	before := hooks.Drained
	hooks.Drained = func(c *websocket.Conn) {
		if before != nil {
			before(c)
		}
		drained()
	}
	return &hooks
}

// Serve serves a connection until the connection or ctx ends, and returns the
// reason. The connection should have a WriteTimeout, because Serve waits for
// the client during a replay. Serve closes the connection if the client
// violates the protocol. In all other cases the caller must close it.
// [hub.Member.Value] returns value.
func (s *Server) Serve(ctx context.Context, c *websocket.Conn, value any) error {
	return s.serve(ctx, c, value, func(*hub.Member) {})
}

// serve is like Serve, but calls joined with the member.
func (s *Server) serve(ctx context.Context, c *websocket.Conn, value any, joined func(*hub.Member)) error {
	m, err := s.Hub.Join(hub.Conn(c, encoder{}), value)
	if err != nil {
		c.Close(websocket.StatusServiceRestart, restarting)
		return err
	}
	joined(m)
	defer m.Leave()
	session := &session{server: s, conn: socket{c}, member: m}
	for msg, err := range c.BorrowedMessages(ctx) {
		if err != nil {
			return err
		}
		r, err := session.receive(msg.Type == websocket.MessageText, msg.Data)
		if err == nil {
			err = session.answer(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// socket is the [conn] of a websocket.Conn.
type socket struct{ *websocket.Conn }

func (s socket) send(p []byte) (wsutil.SendResult, error) { return s.Send(websocket.MessageText, p) }

func (s socket) write(ctx context.Context, p []byte) error {
	return s.Write(ctx, websocket.MessageText, p)
}

// conn has the methods of a connection that a session uses.
type conn interface {
	send(p []byte) (wsutil.SendResult, error)  // never waits
	write(ctx context.Context, p []byte) error // waits for room
}

// session is one client.
type session struct {
	server *Server
	conn   conn
	member *hub.Member
	topics int // subscriptions
}

// receive parses the request in a message of the client. It does not wait. If
// the message violates the protocol, receive closes the connection and returns
// an error.
func (s *session) receive(text bool, p []byte) (r request, err error) {
	code := ws.StatusPolicyViolation
	if text {
		r, err = parse(p)
	} else {
		code, err = ws.StatusUnsupportedData, errors.New("hubproto: a binary message: want JSON text")
	}
	if err != nil {
		s.member.Receiver().Close(code, err.Error())
	}
	return r, err
}

// answer executes a request and sends the answer. It returns an error if the
// connection must end.
func (s *session) answer(ctx context.Context, r request) (err error) {
	answer := reply{Re: r.ID}
	switch err = s.do(ctx, r, &answer); {
	case err == errAnswered:
		return nil
	case errors.Is(err, hub.ErrLeft):
		return err // the connection has ended or is blocked
	}
	answer.fail(err)
	p, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return s.conn.write(ctx, p)
}

// parse parses a request.
func parse(p []byte) (r request, err error) {
	d := json.NewDecoder(bytes.NewReader(p))
	if err := d.Decode(&r); err != nil {
		return r, &malformedError{err}
	}
	if _, err := d.Token(); err != io.EOF {
		return r, &malformedError{errors.New("more than one value in a message")}
	}
	return r, nil
}

// malformedError reports a message that is not a request.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return "hubproto: malformed request: " + e.err.Error() }
func (e *malformedError) Unwrap() error { return e.err }

// errAnswered says that a request was already answered.
var errAnswered = errors.New("hubproto: answered")

// do executes a request.
func (s *session) do(ctx context.Context, r request, answer *reply) error {
	switch r.Do {
	case doSubscribe:
		return s.subscribe(ctx, r, answer)
	case doUnsubscribe:
		if !s.member.Unsubscribe(r.Topic) {
			return &Error{CodeRequest, "the client is not subscribed to the topic"}
		}
		s.topics--
		return nil
	case doPublish:
		return s.publish(ctx, r, answer)
	case doPresence:
		return s.presence(ctx, r, answer)
	case doPing:
		s.member.Drained()
		return nil
	}
	return &Error{CodeRequest, `"do" must be subscribe, unsubscribe, publish, presence or ping`}
}

// subscribe subscribes, and answers before the first live message.
func (s *session) subscribe(ctx context.Context, r request, answer *reply) error {
	if most := cmp.Or(s.server.MaxTopics, DefaultMaxTopics); most >= 0 && s.topics >= most {
		return &Error{CodeLimit, "the client has too many subscriptions"}
	}
	_, err := s.member.Subscribe(ctx, r.Topic, &hub.SubscribeOptions{
		Since:    r.Since,
		Presence: r.Presence,
		Live: func(result hub.Subscribed) bool {
			answer.At, answer.Prev = result.Position, result.Replayed
			if !r.Since.IsZero() {
				answer.Recovered = &result.Recovered
			}
			p, err := json.Marshal(answer)
			if err != nil {
				return false
			}
			sent, err := s.conn.send(p)
			if sent == wsutil.SendDisplaced {
				s.member.Displaced()
			}
			return err == nil && sent.Taken()
		},
	})
	if err == nil {
		s.topics++
		return errAnswered
	}
	return err
}

func (s *session) publish(ctx context.Context, r request, answer *reply) (err error) {
	if len(r.Data) == 0 {
		return &Error{CodeRequest, `publish needs "data"`}
	}
	answer.At, err = s.member.Publish(ctx, r.Topic, hub.Publication{Payload: r.Data, Key: r.Key, ID: r.Once})
	return err
}

// presence answers with the members on a topic. The client must be subscribed
// to it.
func (s *session) presence(ctx context.Context, r request, answer *reply) error {
	if !s.member.IsSubscribed(r.Topic) {
		return &Error{CodeDenied, "presence is for subscribers of the topic"}
	}
	limit := r.Limit
	if limit < 0 || limit > maxPresence {
		limit = maxPresence
	}
	members, count, err := s.server.Hub.Presence(ctx, r.Topic, limit)
	if err != nil {
		return err
	}
	answer.Count = &count
	size := 0
	for _, p := range members {
		m := member{p.ID, asJSON(p.Data)}
		encoded, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if size+len(encoded)+1 > maxPresenceBytes {
			continue // a shorter one may fit
		}
		size += len(encoded) + 1
		answer.Members = append(answer.Members, m)
	}
	return nil
}

// fail sets the error of an answer. It does not disclose errors of the program.
func (a *reply) fail(err error) {
	var told *Error
	switch {
	case err == nil:
		return
	case errors.As(err, &told):
		a.Error, a.Text = told.Code, told.Text
	case errors.Is(err, hub.ErrTopic):
		a.Error, a.Text = CodeTopic, err.Error()
	case errors.Is(err, hub.ErrSubscribed):
		a.Error, a.Text = CodeSubscribed, "the client is already subscribed to the topic"
	case errors.Is(err, hub.ErrDraining):
		a.Error, a.Text = CodeRestart, "the server is about to restart"
	case errors.Is(err, hub.ErrBroker):
		a.Error, a.Text = CodeAway, "the broker does not answer"
	default:
		a.Error, a.Text = CodeDenied, "the server does not allow this"
	}
}
