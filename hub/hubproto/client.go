package hubproto

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
)

// ErrLost is returned by methods of a [Client] whose connection was lost before
// the answer came. It is unknown whether the server has processed the request.
var ErrLost = errors.New("hubproto: the connection was lost before the answer came")

// EventKind is the kind of an [Event].
type EventKind int

const (
	Message EventKind = iota // a publication
	Join                     // a member has joined
	Leave                    // a member has left

	// Live says that live delivery begins, for the first time or after a
	// reconnect. Missed publications were delivered before it.
	Live

	// Gap says that some publications were missed and cannot be recovered.
	Gap

	// Refused says that the server refused the subscription, which has ended.
	// Err is the reason.
	Refused
)

// Event is an event of a subscription. The handler owns it.
type Event struct {
	Kind  EventKind
	Topic string // of the publication, or of the subscription
	At    hub.Position
	Key   string

	Data  json.RawMessage // the payload if it is JSON, and the data of a member
	Text  string          // the payload if it is other text
	Bytes []byte          // the payload if it is binary

	Member string // the ID of a member
	Err    error
}

// DefaultReadLimit is the default ReadLimit of a [Client] in bytes. It leaves
// room for the parts of a message that the server adds to a publication, because
// a client that receives a larger message stops.
const DefaultReadLimit = 1 << 20

// ClientOptions are the options of [NewClient]. The zero value is ready to use.
type ClientOptions struct {
	// Reconnect configures dialing and reconnecting. Its OnConnect must not be
	// set. A KeepAlive of 0 means 25 s, a WriteTimeout of 0 means 10 s, and a
	// ReadLimit of 0 means DefaultReadLimit. Queue is ignored.
	Reconnect reconnect.Options
}

// Client is a client of a [Server]: it reconnects, and resumes its
// subscriptions from their positions. [NewClient] creates it. All methods are
// safe for concurrent use.
type Client struct {
	conns *reconnect.Client

	mu      sync.Mutex
	conn    *websocket.Conn // nil while not connected
	opened  chan struct{}   // closed when the subscriptions were sent on conn, or Run has ended
	stopped error           // why Run has ended, or nil
	lastID  uint64
	calls   map[uint64]func(reply, error)
	subs    map[string]*clientSub
}

// clientSub is a subscription of a client. Client.mu guards the fields after
// handle.
type clientSub struct {
	topic    string
	presence json.RawMessage
	handle   func(Event)
	at       hub.Position // of the last delivered message
	seen     bool         // it was live on this or an earlier connection
	live     bool         // the server has answered; until then, only replayed messages are delivered
	again    bool         // the client unsubscribes in order to subscribe anew; messages are ignored
	ended    bool         // Unsubscribe was called
}

// NewClient returns a client for the server at url: see [websocket.Dial]. It
// copies o, which may be nil. [Client.Run] connects.
func NewClient(url string, o *ClientOptions) *Client {
	var options reconnect.Options
	if o != nil {
		options = o.Reconnect
	}
	var dial websocket.DialOptions
	if options.DialOptions != nil {
		dial = *options.DialOptions
	}
	dial.KeepAlive = cmp.Or(dial.KeepAlive, 25*time.Second)
	dial.WriteTimeout = cmp.Or(dial.WriteTimeout, 10*time.Second)
	dial.ReadLimit = cmp.Or(dial.ReadLimit, DefaultReadLimit)
	dial.Queue = websocket.SendQueueOptions{MaxBytes: -1, MaxMessages: -1} // for requests about subscriptions
	options.DialOptions = &dial
	return &Client{
		conns:  reconnect.New(url, &options),
		opened: make(chan struct{}),
		calls:  make(map[uint64]func(reply, error)),
		subs:   make(map[string]*clientSub),
	}
}

// Run connects and reconnects until ctx ends or the server refuses permanently.
// It calls the handlers. The error is that of [reconnect.Client.Run]. Run must
// be called only once. After it has ended, all methods return its error.
func (c *Client) Run(ctx context.Context) error {
	err := c.conns.Run(ctx, func(ctx context.Context, conn *websocket.Conn) error {
		c.connected(conn)
		defer c.lost()
		for m, err := range conn.BorrowedMessages(ctx) {
			if err != nil {
				return err
			}
			if err := c.receive(m.Data); err != nil {
				return err
			}
		}
		return nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped == nil {
		c.stopped = fmt.Errorf("hubproto: the client has stopped: %w", err)
		close(c.opened)
	}
	return err
}

// SubscribeOptions are the options of [Client.Subscribe]. The zero value is
// ready to use.
type SubscribeOptions struct {
	// Since, if not zero, is the position to continue from, taken from an
	// Event.
	Since hub.Position

	// Presence, if not nil, is JSON that makes the client visible on the topic.
	Presence json.RawMessage
}

// Subscribe subscribes to a topic or pattern as soon as there is a connection,
// and again after each reconnect. Run calls handle with events, one at a time
// and in order. handle may subscribe and unsubscribe, but must not call methods
// that wait for an answer. o may be nil. Subscribe returns an error if there
// already is a subscription with this name, or if Presence is not JSON.
func (c *Client) Subscribe(topic string, o *SubscribeOptions, handle func(Event)) error {
	sub := &clientSub{topic: topic, handle: handle}
	if o != nil {
		sub.at, sub.presence = o.Since, o.Presence
	}
	if sub.presence != nil && !json.Valid(sub.presence) {
		return errors.New("hubproto: Presence is not JSON")
	}
	c.mu.Lock()
	if c.subs[topic] != nil {
		c.mu.Unlock()
		return fmt.Errorf("hubproto: already subscribed to %.40q", topic)
	}
	c.subs[topic] = sub
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		c.subscribe(conn, sub)
	}
	return nil
}

// Unsubscribe ends a subscription. Its handler is not called any more, but a
// call in progress may continue.
func (c *Client) Unsubscribe(topic string) {
	c.mu.Lock()
	sub, conn := c.subs[topic], c.conn
	delete(c.subs, topic)
	if sub != nil {
		sub.ended = true
	}
	c.mu.Unlock()
	if sub != nil && conn != nil {
		c.send(conn, request{Do: doUnsubscribe, Topic: topic}, func(reply, error) {})
	}
}

// PublishOptions are the options of [Client.Publish]. The zero value is ready
// to use.
type PublishOptions struct {
	Key  string // see Key of [hub.Publication]
	Once string // see ID of [hub.Publication]
}

// Publish publishes data as JSON. It waits for a connection and for the answer
// of the server. After [ErrLost], the caller may safely repeat a call with the
// same Once, if the topic has history.
func (c *Client) Publish(ctx context.Context, topic string, data any, o *PublishOptions) (hub.Position, error) {
	p, err := json.Marshal(data)
	if err != nil {
		return hub.Position{}, fmt.Errorf("hubproto: publish: %w", err)
	}
	r := request{Do: doPublish, Topic: topic, Data: p}
	if o != nil {
		r.Key, r.Once = o.Key, o.Once
	}
	answer, err := c.call(ctx, r)
	return answer.At, err
}

// Presence returns up to limit members that are visible on a topic, and their
// total number. With limit 0 it only counts. The client must be subscribed to
// the topic.
func (c *Client) Presence(ctx context.Context, topic string, limit int) (members []hub.Presence, count int, err error) {
	answer, err := c.call(ctx, request{Do: doPresence, Topic: topic, Limit: limit})
	if err != nil {
		return nil, 0, err
	}
	for _, m := range answer.Members {
		members = append(members, hub.Presence{ID: m.ID, Data: m.Data})
	}
	if answer.Count != nil {
		count = *answer.Count
	}
	return members, count, nil
}

// Ping waits for a connection and for an answer of the server.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.call(ctx, request{Do: doPing})
	return err
}

// call sends a request and waits for its answer.
func (c *Client) call(ctx context.Context, r request) (reply, error) {
	conn, err := c.wait(ctx)
	if err != nil {
		return reply{}, err
	}
	type result struct {
		reply
		err error
	}
	got := make(chan result, 1)
	p, err := c.register(conn, &r, func(r reply, err error) { got <- result{r, err} })
	if err != nil {
		return reply{}, err
	}
	if err := conn.Write(ctx, websocket.MessageText, p); err != nil {
		c.fail(r.ID, err)
	}
	select {
	case r := <-got:
		return r.reply, r.err
	case <-ctx.Done():
		c.take(r.ID)
		return reply{}, context.Cause(ctx)
	}
}

// wait waits for a connection.
func (c *Client) wait(ctx context.Context) (*websocket.Conn, error) {
	for {
		c.mu.Lock()
		conn, opened, stopped := c.conn, c.opened, c.stopped
		c.mu.Unlock()
		select {
		case <-opened:
			if conn != nil || stopped != nil {
				return conn, stopped
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// register assigns an ID to r and returns the encoded request. done is called
// once: by Run with the answer or ErrLost, or by fail.
func (c *Client) register(conn *websocket.Conn, r *request, done func(reply, error)) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != conn {
		return nil, ErrLost
	}
	c.lastID++
	r.ID = c.lastID
	p, err := json.Marshal(r)
	if err == nil {
		c.calls[r.ID] = done
	}
	return p, err
}

// send sends a request without waiting. The goroutine of Run may call it, and
// must keep reading: the server may not read requests while its own write is
// blocked.
func (c *Client) send(conn *websocket.Conn, r request, done func(reply, error)) {
	p, err := c.register(conn, &r, done)
	if err != nil {
		return // the next connection subscribes again
	}
	if _, err := conn.Send(websocket.MessageText, p); err != nil {
		c.fail(r.ID, err)
	}
}

// take removes and returns the function that waits for the answer to a request,
// or nil.
func (c *Client) take(id uint64) func(reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := c.calls[id]
	delete(c.calls, id)
	return done
}

// fail ends a request that could not be sent.
func (c *Client) fail(id uint64, err error) {
	if done := c.take(id); done != nil {
		done(reply{}, fmt.Errorf("%w: %w", ErrLost, err))
	}
}

// connected subscribes again on a new connection, and then releases the calls
// that wait for a connection.
func (c *Client) connected(conn *websocket.Conn) {
	c.mu.Lock()
	c.conn = conn
	subs := slices.Collect(maps.Values(c.subs))
	opened := c.opened
	c.mu.Unlock()
	for _, sub := range subs {
		c.subscribe(conn, sub)
	}
	close(opened)
}

// lost fails the requests of a lost connection.
func (c *Client) lost() {
	c.mu.Lock()
	c.conn, c.opened = nil, make(chan struct{})
	calls := c.calls
	c.calls = make(map[uint64]func(reply, error))
	c.mu.Unlock()
	for _, done := range calls {
		done(reply{}, ErrLost)
	}
}

// subscribe sends a subscription, unless it has ended or conn was lost. On the
// next connection, connected subscribes again.
func (c *Client) subscribe(conn *websocket.Conn, sub *clientSub) {
	c.mu.Lock()
	if sub.ended || c.conn != conn {
		c.mu.Unlock()
		return
	}
	r := request{Do: doSubscribe, Topic: sub.topic, Since: sub.at, Presence: sub.presence}
	sub.live, sub.again = false, false
	c.mu.Unlock()
	c.send(conn, r, func(answer reply, err error) { c.subscribed(conn, sub, r, answer, err) })
}

// subscribed handles the answer to a subscription.
func (c *Client) subscribed(conn *websocket.Conn, sub *clientSub, r request, answer reply, err error) {
	var refused *Error
	switch {
	case errors.Is(err, ErrLost): // connected will subscribe again
		return
	case errors.As(err, &refused) && (refused.Code == CodeAway || refused.Code == CodeRestart):
		time.AfterFunc(time.Second+rand.N(2*time.Second), func() { c.subscribe(conn, sub) })
		return
	case err != nil:
		c.mu.Lock()
		if c.subs[sub.topic] == sub {
			delete(c.subs, sub.topic)
		}
		c.mu.Unlock()
		c.tell(sub, Event{Kind: Refused, Topic: sub.topic, Err: err})
		return
	}
	c.mu.Lock()
	if sub.again { // the answer came too late: missed has already unsubscribed
		c.mu.Unlock()
		return
	}
	if !r.Since.IsZero() && !answer.Prev.IsZero() && !sub.has(answer.Prev) {
		c.mu.Unlock()
		c.missed(sub.topic)
		return
	}
	missed := sub.seen && answer.At.IsZero() || !r.Since.IsZero() && (answer.Recovered == nil || !*answer.Recovered)
	sub.seen, sub.live, sub.at = true, true, answer.At
	c.mu.Unlock()
	if missed {
		c.tell(sub, Event{Kind: Gap, Topic: sub.topic})
	}
	c.tell(sub, Event{Kind: Live, Topic: sub.topic, At: answer.At})
}

// tell passes an event to the handler, unless the subscription has ended.
func (c *Client) tell(sub *clientSub, e Event) {
	c.mu.Lock()
	ended := sub.ended
	c.mu.Unlock()
	if !ended {
		sub.handle(e)
	}
}

// incoming is a message or a reply.
type incoming struct {
	message
	Re        *uint64  `json:"re"`
	Error     string   `json:"error"`
	Recovered *bool    `json:"recovered"`
	Count     *int     `json:"count"`
	Members   []member `json:"members"`
}

// receive handles a message of the server.
func (c *Client) receive(p []byte) error {
	var m incoming
	if err := json.Unmarshal(p, &m); err != nil {
		return fmt.Errorf("hubproto: malformed message from the server: %w", err)
	}
	if m.Re == nil {
		c.dispatch(m.message)
		return nil
	}
	done := c.take(*m.Re)
	if done == nil {
		return nil // its caller no longer waits
	}
	var err error
	if m.Error != "" {
		refused := &Error{Code: m.Error}
		if m.Text != nil {
			refused.Text = *m.Text
		}
		err = refused
	}
	done(reply{At: m.At, Prev: m.Prev, Recovered: m.Recovered, Count: m.Count, Members: m.Members}, err)
	return nil
}

// dispatch passes a message to the matching subscriptions.
func (c *Client) dispatch(m message) {
	e := Event{Topic: m.Topic, At: m.At, Key: m.Key, Data: m.Data, Bytes: m.Bytes, Member: m.Member}
	if m.Text != nil {
		e.Text = *m.Text
	}
	switch m.Event {
	case eventJoin:
		e.Kind = Join
	case eventLeave:
		e.Kind = Leave
	case eventGap:
		c.missed(m.Topic)
		return
	}
	if c.lacks(&m) {
		c.missed(m.Topic)
	}
	for _, sub := range c.takers(&m) {
		c.tell(sub, e)
	}
}

// lacks reports whether messages before m were missed on its topic.
func (c *Client) lacks(m *message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	sub := c.subs[m.Topic]
	return sub != nil && sub.live != m.Replay && !sub.again && !sub.at.IsZero() && !m.Prev.IsZero() && !sub.has(m.Prev)
}

// takers returns the subscriptions that match a message, and records its
// position.
func (c *Client) takers(m *message) (subs []*clientSub) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if sub := c.subs[m.Topic]; sub != nil && sub.live != m.Replay && !sub.again && !sub.has(m.At) {
		if !m.At.IsZero() {
			sub.at = m.At
		}
		subs = append(subs, sub)
	}
	if m.Replay {
		return subs
	}
	for name, sub := range c.subs {
		if sub.live && name != m.Topic && hub.IsPattern(name) && matches(name, m.Topic) {
			subs = append(subs, sub)
		}
	}
	return subs
}

// has reports whether the message at this position was delivered.
func (s *clientSub) has(at hub.Position) bool {
	return !at.IsZero() && at.Epoch == s.at.Epoch && at.Offset <= s.at.Offset
}

// matches reports whether a pattern matches a topic.
func matches(pattern, topic string) bool {
	for {
		p, patternRest, patternMore := strings.Cut(pattern, ".")
		s, rest, more := strings.Cut(topic, ".")
		switch {
		case p == ">" && !patternMore:
			return true
		case p != "*" && p != s:
			return false
		case !more || !patternMore:
			return more == patternMore
		}
		pattern, topic = patternRest, rest
	}
}

// missed handles a gap of a topic, or of all topics if topic is empty. It
// recovers the missed messages if the position is known. A subscription that
// waits for its answer also starts anew, because the answer may be lost.
func (c *Client) missed(topic string) {
	c.mu.Lock()
	conn := c.conn
	var again, gone []*clientSub
	for name, sub := range c.subs {
		switch {
		case topic != "" && name != topic, sub.again:
		case sub.live && sub.at.IsZero():
			gone = append(gone, sub)
		default:
			sub.live, sub.again = false, true
			again = append(again, sub)
		}
	}
	c.mu.Unlock()
	for _, sub := range gone {
		c.tell(sub, Event{Kind: Gap, Topic: sub.topic})
	}
	for _, sub := range again {
		c.send(conn, request{Do: doUnsubscribe, Topic: sub.topic}, func(_ reply, err error) {
			if !errors.Is(err, ErrLost) {
				c.subscribe(conn, sub)
			}
		})
	}
}
