package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/centrifugal/centrifuge"
	gorilla "github.com/gorilla/websocket"
	"github.com/olahol/melody"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsloop"
)

// service is a hub of one library.
type service struct {
	handler http.Handler             // a connection is on the topic of the query
	serve   func(net.Listener) error // instead of handler
	publish func(topic string, p []byte) error
	ready   func() int64                    // number of subscribers
	more    func(topics func(int) []string) // subscribes each connection to more topics; nil if it cannot
}

// library starts a service, with or without compression.
type library struct {
	name  string
	start func(compress bool) *service
	hello string // what a client sends first
}

var libraries = []library{
	{name: "wskit", start: startHub},
	{name: "wskit, on a loop", start: startLoop},
	{name: "melody", start: startMelody},
	{name: "centrifuge", start: startCentrifuge, hello: `{"id":1,"connect":{}}`},
	{name: "gorilla chat", start: startGorilla},
}

func find(name string) *library {
	for i := range libraries {
		if libraries[i].name == name {
			return &libraries[i]
		}
	}
	return nil
}

func topicOf(r *http.Request) string { return r.URL.Query().Get("topic") }

// members are the members of our hub.
type members struct {
	h     *hub.Hub
	count atomic.Int64
	mu    sync.Mutex
	all   []*hub.Member
}

func (ms *members) join(r hub.Receiver, topic string) (*hub.Member, error) {
	m, err := ms.h.Join(r, nil)
	if err != nil {
		return nil, err
	}
	if _, err := m.Subscribe(context.Background(), topic, nil); err != nil {
		return nil, err
	}
	ms.mu.Lock()
	ms.all = append(ms.all, m)
	ms.mu.Unlock()
	ms.count.Add(1)
	return m, nil
}

func (ms *members) service() *service {
	return &service{
		publish: func(topic string, p []byte) error {
			_, err := ms.h.Publish(context.Background(), topic, hub.Publication{Op: ws.OpText, Payload: p})
			return err
		},
		ready: ms.count.Load,
		more: func(topics func(int) []string) {
			for i, m := range ms.all {
				for _, topic := range topics(i) {
					m.Subscribe(context.Background(), topic, nil)
				}
			}
		},
	}
}

func startHub(compress bool) *service {
	ms := &members{h: hub.New(nil)}
	o := &websocket.AcceptOptions{}
	if compress {
		o.CompressionMode = websocket.CompressionNoContextTakeover
		o.CompressionThreshold = 1
	}
	s := ms.service()
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		m, err := ms.join(hub.Conn(c, nil), topicOf(r))
		if err != nil {
			return
		}
		defer m.Leave()
		<-c.CloseRead(context.Background()).Done()
	})
	return s
}

func startLoop(compress bool) *service {
	ms := &members{h: hub.New(nil)}
	config := &wsloop.Config{OnRequest: func(r *ws.Request, o *wsloop.Options) error {
		_, o.Value, _ = strings.Cut(string(r.Target), "topic=")
		return nil
	}}
	if compress {
		config.CompressionThreshold = 1
		config.Compression = &wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
	}
	server, err := wsloop.New(config, &wsloop.Handler{Open: func(c *wsloop.Conn) {
		c.Go(func() { ms.join(hub.LoopConn(c, nil), wsloop.ValueOf[string](c)) })
	}})
	if err != nil {
		panic(err)
	}
	s := ms.service()
	s.serve = server.Serve
	return s
}

func startMelody(compress bool) *service {
	m := melody.New()
	m.Upgrader.EnableCompression = compress
	var count atomic.Int64
	m.HandleConnect(func(*melody.Session) { count.Add(1) })
	return &service{
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			m.HandleRequestWithKeys(w, r, map[string]any{"topic": topicOf(r)})
		}),
		publish: func(topic string, p []byte) error {
			return m.BroadcastFilter(p, func(s *melody.Session) bool {
				t, _ := s.Get("topic")
				return t == topic
			})
		},
		ready: count.Load,
	}
}

type topicKey struct{}

func startCentrifuge(compress bool) *service {
	node, err := centrifuge.New(centrifuge.Config{ClientChannelLimit: 1 << 20})
	if err != nil {
		panic(err)
	}
	var count atomic.Int64
	var mu sync.Mutex
	var clients []*centrifuge.Client
	node.OnConnecting(func(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		topic, _ := ctx.Value(topicKey{}).(string)
		return centrifuge.ConnectReply{
			Credentials:        &centrifuge.Credentials{},
			Subscriptions:      map[string]centrifuge.SubscribeOptions{topic: {}},
			MaxMessagesInFrame: 1, // a frame is a message, so that frames can be counted
		}, nil
	})
	node.OnConnect(func(c *centrifuge.Client) {
		mu.Lock()
		clients = append(clients, c)
		mu.Unlock()
		count.Add(1)
	})
	if err := node.Run(); err != nil {
		panic(err)
	}
	web := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		Compression: compress, CompressionPreparedMessageCacheSize: 1 << 20,
		CheckOrigin:    func(*http.Request) bool { return true },
		PingPongConfig: centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1},
	})
	return &service{
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			web.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), topicKey{}, topicOf(r))))
		}),
		publish: func(topic string, p []byte) error { _, err := node.Publish(topic, p); return err },
		ready:   count.Load,
		more: func(topics func(int) []string) {
			for i, c := range clients {
				for _, topic := range topics(i) {
					c.Subscribe(topic)
				}
			}
		},
	}
}

// startGorilla starts a hub for each topic, as in the chat example of
// gorilla/websocket.
func startGorilla(compress bool) *service {
	var mu sync.Mutex
	rooms := make(map[string]*room)
	find := func(topic string) *room {
		mu.Lock()
		defer mu.Unlock()
		r := rooms[topic]
		if r == nil {
			r = &room{broadcast: make(chan []byte), register: make(chan *client), unregister: make(chan *client), clients: make(map[*client]bool)}
			rooms[topic] = r
			go r.run()
		}
		return r
	}
	var count atomic.Int64
	upgrader := gorilla.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, EnableCompression: compress}
	return &service{
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			room := find(topicOf(r))
			c := &client{conn: conn, send: make(chan []byte, 256)}
			room.register <- c
			count.Add(1)
			go c.write()
			c.read(room)
		}),
		publish: func(topic string, p []byte) error { find(topic).broadcast <- p; return nil },
		ready:   count.Load,
	}
}

type room struct {
	clients              map[*client]bool
	broadcast            chan []byte
	register, unregister chan *client
}

func (r *room) run() {
	for {
		select {
		case c := <-r.register:
			r.clients[c] = true
		case c := <-r.unregister:
			r.remove(c)
		case p := <-r.broadcast:
			for c := range r.clients {
				select {
				case c.send <- p:
				default:
					r.remove(c)
				}
			}
		}
	}
}

func (r *room) remove(c *client) {
	if r.clients[c] {
		delete(r.clients, c)
		close(c.send)
	}
}

type client struct {
	conn *gorilla.Conn
	send chan []byte
}

func (c *client) read(r *room) {
	defer func() { r.unregister <- c; c.conn.Close() }()
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			return
		}
	}
}

func (c *client) write() {
	defer c.conn.Close()
	for p := range c.send {
		c.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if c.conn.WriteMessage(gorilla.TextMessage, p) != nil {
			return
		}
	}
}
