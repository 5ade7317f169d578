package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/cmd/internal/trace"
	"github.com/wskit/wskit/httphead"
)

// session is a client's connection and the connection to the server.
type session struct {
	*proxy
	ctx         context.Context
	cancel      context.CancelFunc
	number      int
	front, back net.Conn
	live        *trace.LiveConnection
	page        *trace.LiveConnection // nil without --page
	stalled     atomic.Bool           // a rule has stalled one direction
	halfClosed  atomic.Bool           // one direction has ended; if stalled is set, this ends both

	mu     sync.Mutex
	extras []net.Conn // to be closed with the two
}

// serve forwards the requests of a client and the responses of the server until
// both have ended. It owns front.
func (p *proxy) serve(ctx context.Context, front net.Conn, number int) {
	s := &session{proxy: p, number: number, front: front}
	s.ctx, s.cancel = context.WithCancel(ctx)
	defer context.AfterFunc(s.ctx, s.closeAll)()
	defer s.closeAll()
	defer s.cancel()
	client := front.RemoteAddr().String()
	if strings.Trim(client, "@") == "" {
		client = "client" // on a Unix socket
	}
	peers := client + " -> " + p.backend()
	s.live = p.live.Connection(number, peers)
	if p.page != nil {
		s.page = p.page.live.Connection(number, peers)
	}
	defer s.count()
	if err := s.pass(); err != nil && ctx.Err() == nil {
		p.log(number, err.Error())
	}
}

// closeAll ends all pending reads and writes.
func (s *session) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range append(s.extras, s.front, s.back) {
		if c != nil {
			c.Close()
		}
	}
}

// own makes closeAll close c.
func (s *session) own(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extras = append(s.extras, c)
	if s.ctx.Err() != nil {
		c.Close()
	}
}

// pass forwards the handshake and everything after it.
func (s *session) pass() error {
	s.front.SetDeadline(time.Now().Add(s.Timeout))
	head, rest, err := readHead(s.front)
	if err != nil {
		return fmt.Errorf("no request: %w", plain(err))
	}
	var request httphead.Request
	if _, err := request.Parse(head); err != nil {
		answer(s.front, http.StatusBadRequest, err.Error())
		return fmt.Errorf("invalid request: %w", err)
	}
	upgrade := request.Fields.Count("Upgrade") > 0
	if err := s.seen(trace.Client, head, string(request.Method) == http.MethodGet); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		answer(s.front, http.StatusBadGateway, err.Error())
		return err
	}
	if _, err := s.back.Write(s.rewrite(head, &request, upgrade)); err != nil {
		return fmt.Errorf("sending the request: %w", plain(err))
	}
	agreed, more, err := s.answered()
	if err != nil {
		return err
	}
	s.front.SetDeadline(time.Time{})
	s.back.SetDeadline(time.Time{})
	return s.both(agreed, rest, more)
}

// open connects to the server.
func (s *session) open() error {
	back, err := s.connect(s.ctx, s.number)
	if err != nil {
		return err
	}
	back.SetDeadline(time.Now().Add(s.Timeout))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back = back
	if s.ctx.Err() != nil {
		back.Close()
	}
	return nil
}

// answered forwards the server's response. It reports whether that accepts a
// WebSocket, and returns the bytes after it.
func (s *session) answered() (agreed bool, rest []byte, err error) {
	src := io.Reader(s.back)
	for {
		head, rest, err := readHead(src)
		if err != nil {
			answer(s.front, http.StatusBadGateway, "the server did not answer")
			return false, nil, fmt.Errorf("no response from the server: %w", plain(err))
		}
		var response httphead.Response
		if _, err := response.Parse(head); err != nil {
			answer(s.front, http.StatusBadGateway, "the response of the server is not HTTP")
			return false, nil, fmt.Errorf("invalid response from the server: %w", err)
		}
		informs := response.Status < 200 && response.Status != http.StatusSwitchingProtocols
		if err := s.seen(trace.Server, head, !informs); err != nil {
			return false, nil, err
		}
		if _, err := s.front.Write(head); err != nil {
			return false, nil, fmt.Errorf("sending the response: %w", plain(err))
		}
		if !informs {
			return response.Status == http.StatusSwitchingProtocols, rest, nil
		}
		src = io.MultiReader(bytes.NewReader(rest), s.back)
	}
}

// both forwards both directions until they have ended. rest and more are the
// bytes received with the heads.
func (s *session) both(agreed bool, rest, more []byte) error {
	up := &half{s, trace.Client, io.MultiReader(bytes.NewReader(rest), s.front), s.front, s.back, agreed}
	down := &half{s, trace.Server, io.MultiReader(bytes.NewReader(more), s.back), s.back, s.front, agreed}
	var all sync.WaitGroup
	var first error // the error of the direction that failed first
	var once sync.Once
	for _, h := range []*half{up, down} {
		all.Go(func() {
			err := h.run()
			switch {
			case err != nil:
				once.Do(func() { first = err })
				s.cancel()
			case isPlayer(h.conn):
				time.AfterFunc(s.Timeout, s.cancel)
			}
			if s.halfClosed.Store(true); s.stalled.Load() {
				s.cancel()
			}
		})
	}
	all.Wait()
	return first
}

func isPlayer(c net.Conn) bool {
	_, ok := c.(*player)
	return ok
}

// seen shows and records the bytes of one side. show is false for bytes that
// are not part of a WebSocket.
func (s *session) seen(from trace.Sender, p []byte, show bool) error {
	s.bytes[from].Add(int64(len(p)))
	err := s.recorder.write(entry{Connection: s.number, From: from.String(), Bytes: p})
	if err == nil && show {
		err = s.live.Pass(from, p)
		if s.page != nil {
			s.page.Pass(from, p) // errors of the page do not matter
		}
	}
	if err != nil {
		s.fail(err)
	}
	return err
}

// half is one direction after the handshake.
type half struct {
	*session
	from   trace.Sender
	src    io.Reader
	conn   net.Conn // src without the bytes received with the head
	dst    net.Conn
	framed bool // the server has accepted a WebSocket
}

// run forwards one direction until it ends. It reads after earlier bytes were
// written.
func (h *half) run() error {
	dst := io.Writer(h.dst)
	var edit *editor
	if h.framed {
		if edit = newEditor(h.ctx, h.from, h.rules, h.dst, h.applied, h.own); edit != nil {
			dst = edit
		}
	}
	p := make([]byte, 32<<10)
	for {
		n, err := h.src.Read(p)
		if n > 0 {
			if err := h.seen(h.from, p[:n], h.framed); err != nil {
				return err
			}
			if _, err := dst.Write(p[:n]); err != nil {
				return h.lost("writing to", 1-h.from, err)
			}
		}
		if errors.Is(err, io.EOF) {
			return h.ended(edit)
		}
		if err != nil {
			return h.lost("reading from", h.from, err)
		}
	}
}

// applied reports that a rule was applied.
func (h *half) applied(r *rule) {
	h.edited.Add(1)
	if r.action == "stall" {
		if h.stalled.Store(true); h.halfClosed.Load() {
			h.cancel()
		}
	}
	h.log(h.number, r.String())
}

// ended forwards the end of the direction.
func (h *half) ended(edit *editor) error {
	h.live.End(h.from)
	if h.page != nil {
		h.page.End(h.from)
	}
	err := h.recorder.write(entry{Connection: h.number, From: h.from.String(), End: true})
	if err != nil {
		h.fail(err)
		return err
	}
	if edit != nil {
		if err := edit.flush(); err != nil {
			return h.lost("writing to", 1-h.from, err)
		}
	}
	if c, ok := h.dst.(interface{ CloseWrite() error }); ok {
		c.CloseWrite() // if this fails, the other direction fails, which is reported
	}
	return nil
}

// lost reports that a direction has failed, unless a rule, Ctrl-C or the
// failure of the other direction has caused that.
func (h *half) lost(what string, side trace.Sender, err error) error {
	if h.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		h.cancel()
		return nil
	}
	return fmt.Errorf("%s the %v: %w", what, side, plain(err))
}

// plain returns err without the addresses that package net adds.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("timed out: give a longer --timeout")
	}
	return err
}
