package wsloop

import (
	"fmt"
	"net/http"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// request handles p, the next bytes of the opening handshake. When the request
// is complete, it answers and returns the bytes after it (RFC 6455, section
// 4.2).
func (c *Conn) request(p []byte) (rest []byte) {
	head, rest, whole := c.gatherHead(p)
	if !whole {
		return nil
	}
	r := &c.loop.req
	r.Reset()
	r.HeadLimits = c.loop.s.cfg.Upgrader.HeadLimits
	var gathered *bufpool.Buffer // holds head, or nil
	if c.rare != nil {
		gathered, c.rare.head = c.rare.head, nil
	}
	defer gathered.Free()
	_, err := ws.ParseRequest(head, r)
	if err == nil {
		c.loop.rest = rest
		rest, err = c.decide(r, rest)
		c.loop.rest = nil
	}
	if err != nil {
		c.refuse(r, err)
		return nil
	}
	return rest
}

// gatherHead returns the request head if it is complete, or too large. If it
// came at once, it is a part of p.
func (c *Conn) gatherHead(p []byte) (head, rest []byte, whole bool) {
	limits := c.loop.s.cfg.Upgrader.HeadLimits
	r := c.rare
	if r == nil || r.head == nil {
		if end := httphead.End(p, 0); end >= 0 {
			return p[:end], p[end:], true
		}
		if limits.Exceeded(len(p)) {
			return p, nil, true
		}
		c.mu.Lock()
		r = c.rarely()
		c.mu.Unlock()
		r.head = bufpool.Get(len(p))
		r.head.B = append(r.head.B, p...)
		r.searched = len(p)
		return nil, nil, false
	}
	had := len(r.head.B)
	r.head = r.head.Append(p)
	end := httphead.End(r.head.B, r.searched)
	r.searched = len(r.head.B)
	switch {
	case end >= 0:
		return r.head.B[:end], p[end-had:], true
	case limits.Exceeded(len(r.head.B)):
		return r.head.B, nil, true
	}
	return nil, nil, false
}

// decide answers a parsed request and opens the connection.
func (c *Conn) decide(r *ws.Request, rest []byte) ([]byte, error) {
	s := c.loop.s
	if !s.allowsOrigin(r, s.cfg.TLS != nil) {
		return nil, errOrigin
	}
	o := Options{Handler: c.handler}
	if f := s.cfg.OnRequest; f != nil {
		if err := f(r, &o); err != nil {
			return nil, err
		}
	}
	u := s.cfg.Upgrader
	if o.Header != nil {
		u.Header = o.Header
	}
	u.Negotiate, u.ExtensionCustom = nil, nil
	var compression *wsflate.Extension
	if p := s.cfg.Compression; p != nil {
		compression = &wsflate.Extension{Parameters: *p, Adaptive: true}
		u.Negotiate = compression.Negotiate
	}
	agreed, err := u.Decide(r)
	if err != nil {
		return nil, err
	}
	var flate *wsflate.Parameters
	if compression != nil {
		if p, ok := compression.Accepted(); ok {
			flate = &p
		}
	}
	c.protocol.Reset(s.cfg.protocol(ws.StateServerSide, flate, c.loop.now))
	c.accept(&agreed, &o)
	c.opened()
	return rest, nil
}

// accept encodes the response and applies the agreement.
func (c *Conn) accept(agreed *ws.Agreement, o *Options) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take(o, agreed.Protocol)
	c.encode(func(dst []byte) ([]byte, error) { return ws.AppendResponse(dst, *agreed), nil })
}

// take applies the options of the connection. mu is held, or c is not on a loop
// yet.
func (c *Conn) take(o *Options, subprotocol string) {
	if o != nil {
		c.value = o.Value
		if o.Handler != nil {
			c.handler = o.Handler
		}
	}
	if subprotocol != "" {
		c.rarely().subprotocol = subprotocol
	} else {
		c.rare = nil
	}
}

var errOrigin = ws.RejectConnectionError(
	ws.RejectionStatus(http.StatusForbidden),
	ws.RejectionReason("wsloop: the origin of the request is not allowed: see Config.CheckOrigin"),
)

// allowsOrigin applies CheckOrigin.
func (s *Server) allowsOrigin(r *ws.Request, secure bool) bool {
	if s.cfg.CheckOrigin != nil {
		return s.cfg.CheckOrigin(r)
	}
	var origins []string
	for value := range r.Fields.Values("Origin") {
		origins = append(origins, string(value))
	}
	return ws.SameOrigin(string(r.Host), secure, origins...)
}

// refuse answers the request with the refusal in err, and ends the connection.
// r is nil if there was no request.
func (c *Conn) refuse(r *ws.Request, err error) {
	c.loop.s.countRefused(ws.RefusalStatus(err))
	c.mu.Lock()
	c.encode(func(dst []byte) ([]byte, error) { return ws.AppendRefusal(dst, r, err), nil })
	c.mu.Unlock()
	c.phase = phaseOver
	c.flags |= flagRefused
	c.until = later(c.loop.now, wsutil.LingerTime)
}

// errUnavailable is the refusal of a client above a limit.
var errUnavailable = ws.RejectConnectionError(
	ws.RejectionStatus(http.StatusServiceUnavailable),
	ws.RejectionReason("wsloop: the maximum number of connections is reached"),
)

// agreedCompression returns the negotiated parameters of permessage-deflate, or
// nil.
func agreedCompression(hs *ws.Handshake) (*wsflate.Parameters, error) {
	if len(hs.Extensions) == 0 {
		return nil, nil
	}
	if len(hs.Extensions) > 1 || string(hs.Extensions[0].Name) != wsflate.ExtensionName {
		return nil, fmt.Errorf("wsloop: unsupported extensions were negotiated: %q", hs.Extensions)
	}
	p := new(wsflate.Parameters)
	if err := p.Parse(hs.Extensions[0]); err != nil {
		return nil, fmt.Errorf("wsloop: %w", err)
	}
	return p, nil
}
