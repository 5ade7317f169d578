package wstest

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"time"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

// attacks are in the order of the stages of a connection.
var attacks = []Attack{
	{
		"slow-loris", "sends its request one byte at a time, but never the last byte",
		"the handshake has a time limit", slowLoris,
	},
	{
		"endless-head", "sends fields without end",
		"the head has a size limit", endlessHead,
	},
	{
		"offer-flood", "offers hundreds of thousands of parameters, extensions and subprotocols in 900 KB",
		"offers have a limit, and offers that the server does not use are not stored", offerFlood,
	},
	{
		"long-fields", "sends an invalid value of 900 KB in each field",
		"an answer quotes only a short part of the value", longFields,
	},
	{
		"refused-body", "announces a body in a request that is refused, and sends none",
		"the connection ends after the answer", refusedBody,
	},
	{
		"declared-length", "declares frames from 1 MiB to 2^63-1 bytes, sends 1 KiB of each and stalls",
		"memory grows with the bytes that arrive", declaredLength,
	},
	{
		"fragment-flood", "sends a message of a hundred thousand fragments, empty and of one byte",
		"memory grows with the payload, and fragments have a limit", fragmentFlood,
	},
	{
		"ping-flood", "sends pings of 125 bytes and never reads the pongs",
		"the server stops reading, or ends the connection; it does not queue", pingFlood,
	},
	{
		"never-read", "sends messages and does not read the answers",
		"the server stops reading, or ends the connection; it does not queue", neverRead,
	},
	{
		"bomb", "sends 64 MiB of zeros, compressed a thousandfold",
		"the limit counts inflated bytes", sendBomb,
	},
	{
		"bomb-in-pieces", "sends the same in fragments of 16 bytes",
		"the limit counts the inflated bytes of all fragments", sendBombInPieces,
	},
	{
		"half-open", "opens connections and sends nothing",
		"a connection that waits costs little", halfOpen,
	},
	{
		"byte-per-packet", "sends pings one byte at a time",
		"each is answered", bytePerPacket,
	},
	{
		"after-close", "sends a ping after its close frame, in one segment, and does not close",
		"the server answers the close frame and ends its direction at once", afterClose,
	},
	{
		"linger", "leaves many connections half-closed with unread bytes",
		"a connection that waits for its end costs little", linger,
	},
	{
		"reset", "drops the connection in every state: before and in the request, in a header, in a payload, in a ping, between fragments, while the server cannot write, while closing",
		"everything that the connection held is released", resets,
	},
}

// pause is the time between two steps of a slow attack.
func (a *attacker) pause() time.Duration { return max(a.o.Patience/200, time.Millisecond) }

func slowLoris(ctx context.Context, a *attacker) error {
	return a.each(ctx, a.dial, func(ctx context.Context, c net.Conn) error {
		request := "GET / HTTP/1.1\r\nHost: " + a.target.url.Host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: "
		go io.Copy(io.Discard, c)
		for i := 0; ; i++ {
			if _, err := c.Write([]byte{append([]byte(request), 'x')[min(i, len(request))]}); err != nil {
				return err
			}
			if err := sleep(ctx, a.pause()); err != nil {
				return fmt.Errorf("%w: the server still waits for the end of a request after %v", errHarm, a.o.Patience)
			}
		}
	})
}

func endlessHead(ctx context.Context, a *attacker) error {
	return a.each(ctx, a.dial, func(ctx context.Context, c net.Conn) error {
		line := bytes.Repeat([]byte("X-Field: 0123456789abcdef0123456789abcdef\r\n"), 100)
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+a.target.url.Host+"\r\n"); err != nil {
			return err
		}
		for range (16 << 20) / len(line) {
			if _, err := c.Write(line); err != nil {
				return err
			}
		}
		return fmt.Errorf("%w: a head of 16 MiB was read", errHarm)
	})
}

func declaredLength(ctx context.Context, a *attacker) error {
	lengths := []int64{1 << 20, 16 << 20, 1<<31 - 1, 1 << 31, 1 << 40, 1<<63 - 1}
	return a.each(ctx, a.open, func(ctx context.Context, c net.Conn) error {
		for _, n := range lengths {
			h := ws.Header{Fin: n == lengths[0], OpCode: ws.OpBinary, Length: n, Masked: true}
			if _, err := c.Write(append(ws.AppendHeader(nil, h), make([]byte, 1<<10)...)); err != nil {
				return err
			}
			ended(c, a.pause()) // a server may refuse the length
			c.Close()
			var err error
			if c, err = a.open(ctx); err != nil {
				return err
			}
			defer c.Close()
		}
		return nil
	})
}

func fragmentFlood(ctx context.Context, a *attacker) error {
	return a.each(ctx, a.open, func(_ context.Context, c net.Conn) error {
		go io.Copy(io.Discard, c)
		if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewFrame(ws.OpBinary, false, nil))); err != nil {
			return err
		}
		var burst []byte
		for i := range 1000 {
			burst = ws.AppendFrame(burst, ws.MaskFrame(ws.NewFrame(ws.OpContinuation, false, make([]byte, i%2))))
		}
		for range 100 {
			if _, err := c.Write(burst); err != nil {
				return err
			}
		}
		return nil
	})
}

func pingFlood(ctx context.Context, a *attacker) error {
	return a.flood(ctx, ws.NewPingFrame(make([]byte, ws.MaxControlFramePayloadSize)))
}

func neverRead(ctx context.Context, a *attacker) error {
	return a.flood(ctx, ws.NewBinaryFrame(make([]byte, 16<<10)))
}

// flood writes frames until 64 MiB are sent or the server accepts no more.
func (a *attacker) flood(ctx context.Context, f ws.Frame) error {
	return a.each(ctx, a.open, func(_ context.Context, c net.Conn) error {
		var burst []byte
		for len(burst) < 64<<10 {
			burst = ws.AppendFrame(burst, ws.MaskFrame(f))
		}
		for range (64 << 20) / len(burst) {
			c.SetWriteDeadline(time.Now().Add(a.o.Patience / 4))
			if _, err := c.Write(burst); err != nil {
				return err // the server has ended the connection or stopped reading
			}
		}
		return nil
	})
}

func sendBomb(ctx context.Context, a *attacker) error {
	return a.bomb(ctx, math.MaxInt)
}

func sendBombInPieces(ctx context.Context, a *attacker) error {
	return a.bomb(ctx, 16)
}

// bomb sends 64 MiB of zeros, compressed, in fragments of at most size bytes.
func (a *attacker) bomb(ctx context.Context, size int) error {
	open := func(ctx context.Context) (net.Conn, error) {
		c, hs, err := a.offer(ctx, httphead.NewOption(deflateName, nil))
		if err == nil && len(hs.Extensions) == 0 {
			c.Close()
			err = cannotAttack("the server does not agree to compression")
		}
		return c, err
	}
	c, err := open(ctx)
	if _, ok := errors.AsType[cannotAttack](err); ok {
		return err
	} else if err == nil {
		c.Close()
	}
	payload, err := packedZeros(64)
	if err != nil {
		return err
	}
	var frames []byte
	for op, rsv := ws.OpBinary, ws.Rsv(true, false, false); op != ws.OpContinuation || len(payload) > 0; op, rsv = ws.OpContinuation, 0 {
		f := ws.NewFrame(op, len(payload) <= size, payload[:min(size, len(payload))])
		f.Header.Rsv = rsv
		frames, payload = ws.AppendFrame(frames, ws.MaskFrame(f)), payload[len(f.Payload):]
	}
	return a.each(ctx, open, func(_ context.Context, c net.Conn) error {
		if _, err := c.Write(frames); err != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(a.o.Patience / 2))
		_, err := io.Copy(sampler{a}, c)
		return err
	})
}

// packedZeros returns a message of some MiB of zeros, compressed.
func packedZeros(mebibytes int) ([]byte, error) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, mebi)
	for range mebibytes {
		w.Write(zeros)
	}
	w.Flush()
	return bytes.TrimSuffix(packed.Bytes(), []byte("\x00\x00\xff\xff")), nil
}

// sampler measures while it discards the output of the server.
type sampler struct{ a *attacker }

func (s sampler) Write(p []byte) (int, error) {
	s.a.sample()
	return len(p), nil
}

func halfOpen(ctx context.Context, a *attacker) error {
	return a.each(ctx, a.open, func(ctx context.Context, c net.Conn) error {
		return ended(c, 50*a.pause())
	})
}

func bytePerPacket(ctx context.Context, a *attacker) error {
	return a.each(ctx, a.open, func(_ context.Context, c net.Conn) error {
		for i := range 3 {
			body := fmt.Appendf(nil, "ping %d", i)
			for _, b := range ws.AppendFrame(nil, ws.MaskFrame(ws.NewPingFrame(body))) {
				if _, err := c.Write([]byte{b}); err != nil {
					return fmt.Errorf("%w: the connection of a slow client ends: %w", errHarm, err)
				}
			}
			if err := awaitPong(c, body); err != nil {
				return fmt.Errorf("%w: the connection of a slow client ends: %w", errHarm, err)
			}
		}
		return nil
	})
}

// awaitPong reads until the pong of a ping. Other frames may come before it.
func awaitPong(c net.Conn, body []byte) error {
	for {
		f, err := ws.ReadFrame(c)
		if err != nil || f.Header.OpCode == ws.OpPong && bytes.Equal(f.Payload, body) {
			return err
		}
	}
}

func resets(ctx context.Context, a *attacker) error {
	request := "GET / HTTP/1.1\r\nHost: " + a.target.url.Host + "\r\nUpgr"
	for _, state := range []struct {
		open func(context.Context) (net.Conn, error)
		sent []byte
	}{
		{a.dial, nil},
		{a.dial, []byte(request)},
		{a.open, nil},
		{a.open, []byte{0x82}},
		{a.open, ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 100, Masked: true})},
		{a.open, append(ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpPing, Length: 125, Masked: true}), "half a ping"...)},
		{a.open, bytes.Repeat(ws.AppendFrame(nil, ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 64<<10)))), 64)}, // the echoes are not read
		{a.open, ws.AppendFrame(nil, ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte("a fragment"))))},
		{a.open, ws.AppendFrame(nil, ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 16<<10))))},
		{a.open, ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))},
	} {
		err := a.each(ctx, state.open, func(_ context.Context, c net.Conn) error {
			c.SetWriteDeadline(time.Now().Add(a.o.Patience / 20))
			_, err := c.Write(state.sent)
			abort(c)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil // the server has stopped reading, as it should
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// abort resets a TCP connection.
func abort(c net.Conn) {
	for {
		switch conn := c.(type) {
		case interface{ SetLinger(sec int) error }:
			conn.SetLinger(0)
			c.Close()
			return
		case interface{ NetConn() net.Conn }:
			c = conn.NetConn()
		default:
			c.Close()
			return
		}
	}
}

// ended waits at most d for the server to end the connection, and discards its
// output.
func ended(c net.Conn, d time.Duration) error {
	c.SetReadDeadline(time.Now().Add(d))
	_, err := io.Copy(io.Discard, c)
	if err == nil {
		return io.EOF
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return nil
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
