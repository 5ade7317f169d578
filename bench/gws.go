package bench

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/lxzan/gws"

	"github.com/wskit/wskit/ws"
)

// gwsLibrary is github.com/lxzan/gws with UTF-8 validation, which is off by
// default.
var gwsLibrary = Library{
	Name: "gws",

	Accept: func(timeout time.Duration) func(http.ResponseWriter, *http.Request) (io.Closer, error) {
		if timeout <= 0 {
			return nil
		}
		u := gws.NewUpgrader(gws.BuiltinEventHandler{}, &gws.ServerOption{HandshakeTimeout: timeout})
		return func(w http.ResponseWriter, r *http.Request) (io.Closer, error) {
			c, err := u.Upgrade(w, r)
			if err != nil {
				return nil, err
			}
			return c.NetConn(), nil
		}
	},
	Dial: func(conn *Conn) Job {
		return func(n int) error {
			for range n {
				conn.Answer()
				opts := &gws.ClientOption{Addr: dialURL}
				if _, _, err := gws.NewClientFromConn(gws.BuiltinEventHandler{}, opts, conn); err != nil {
					return err
				}
			}
			return nil
		}
	},
	// It owns the loop, so it reads until the connection ends.
	Read: func(conn *Conn, side Side, _ []byte, every func([]byte)) (Job, error) {
		events := &gwsEvents{every: every}
		c, err := gwsOpen(conn, side, events)
		return func(n int) error {
			c.ReadLoop()
			if events.messages < n {
				return errors.Join(io.ErrUnexpectedEOF, events.err)
			}
			return nil
		}, err
	},
	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		c, err := gwsOpen(conn, side, gws.BuiltinEventHandler{})
		return func(n int) error {
			for range n {
				if err := c.WriteMessage(gws.Opcode(op), p); err != nil {
					return err
				}
			}
			return nil
		}, err
	},
}

// gwsPool makes the library also pool the largest of our messages.
var gwsPool = sync.OnceFunc(func() { gws.SetBufferThreshold(4 << 20) })

func gwsOpen(conn *Conn, side Side, events gws.Event) (c *gws.Conn, err error) {
	gwsPool()
	if side == Client {
		conn.Answer()
		c, _, err = gws.NewClientFromConn(events, &gws.ClientOption{Addr: dialURL, CheckUtf8Enabled: true, ReadBufferSize: readBuffer}, conn)
		return c, err
	}
	r, err := httpRequest()
	if err != nil {
		return nil, err
	}
	u := gws.NewUpgrader(events, &gws.ServerOption{CheckUtf8Enabled: true, ReadBufferSize: readBuffer})
	return u.Upgrade(NewResponseWriter(conn), r)
}

type gwsEvents struct {
	gws.BuiltinEventHandler
	every    func([]byte)
	messages int
	err      error
}

func (e *gwsEvents) OnMessage(_ *gws.Conn, m *gws.Message) {
	e.messages++
	e.every(m.Bytes())
	m.Close()
}

func (e *gwsEvents) OnClose(_ *gws.Conn, err error) { e.err = err }
