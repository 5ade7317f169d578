package websocket

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/wskit/wskit/ws"
)

// ErrNoExtendedConnect is returned by a [Transport] whose server does not accept
// extended CONNECT, or does not speak the transport's version of HTTP. No request
// was sent to it: the caller may try HTTP/1.1.
var ErrNoExtendedConnect = errors.New("websocket: the server does not offer extended CONNECT")

// Transport opens WebSocket streams by extended CONNECT (RFC 8441, RFC 9220). It is
// used by any number of goroutines at once. See [DialOptions].Transport.
type Transport interface {
	// Connect sends r and returns the answer. r is an extended CONNECT in the form
	// in which net/http shows one to handlers: its method is CONNECT, its field
	// ":protocol" is the protocol, its Host is :authority, and scheme and path are
	// those of its URL. It has no body. Connect changes neither r nor its header.
	//
	// The context of r bounds Connect, and the body of an answer that refuses, but
	// not the stream. Connect returns a stream if the status is 2xx. Otherwise the
	// stream is nil and the caller must close the Body of the answer. The error
	// wraps [ErrNoExtendedConnect] if the server does not offer extended CONNECT.
	Connect(r *http.Request) (Stream, *http.Response, error)
}

// Stream is a reliable stream of bytes in both directions: the one of an extended
// CONNECT. Reads may run beside writes, and Close and the deadlines beside both. A
// deadline that has passed ends what is under way, and a later one makes the stream
// usable again.
type Stream interface {
	// Close ends both directions at once, and reads and writes that are under way.
	// If the peer has not ended its direction, the stream is reset.
	io.ReadWriteCloser

	// CloseWrite ends the direction of writes, with END_STREAM or FIN.
	CloseWrite() error

	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// OpenStream makes the handshake that d describes with the server of the URL over t, and
// returns the stream and what was agreed on, for [NewConn] or a proxy. ctx, and the
// Timeout of d, bound the handshake. It uses of d what [ws.Dialer.NewRequest] uses. Cookies
// and redirects are the caller's: an answer of another status than 2xx is a
// *[ws.ConnectionRejectedError], with up to 4 KiB of its body.
func OpenStream(ctx context.Context, t Transport, d ws.Dialer, urlstr string) (Stream, ws.Handshake, error) {
	if t == nil || ctx == nil {
		return nil, ws.Handshake{}, errors.New("websocket: open stream: nil Transport or Context")
	}
	if timeout := cmp.Or(d.Timeout, ws.DefaultHandshakeTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	r, check, err := d.NewRequest(ctx, urlstr)
	if err != nil {
		return nil, ws.Handshake{}, err
	}
	resp, err := (&streams{Transport: t}).RoundTrip(r)
	if err != nil {
		return nil, ws.Handshake{}, err
	}
	opened, ok := resp.Body.(*streamBody)
	var shown []byte
	if !ok {
		shown, _ = io.ReadAll(io.LimitReader(resp.Body, streamBodyMost))
	}
	hs, err := check(resp, shown)
	if err == nil && !ok {
		err = errors.New("websocket: the Transport returned no stream")
	}
	if err != nil {
		resp.Body.Close()
		return nil, ws.Handshake{}, err
	}
	return opened.Stream, hs, nil
}

const streamBodyMost = 4 << 10

// streams sends the request of a handshake as an extended CONNECT.
type streams struct {
	Transport
	fallback http.RoundTripper // for HTTP/1.1, or nil
}

func (t *streams) RoundTrip(r *http.Request) (*http.Response, error) {
	connect, err := ws.ExtendedConnect(r)
	if err != nil {
		return nil, err
	}
	stream, resp, err := t.Connect(connect)
	switch {
	case t.fallback != nil && errors.Is(err, ErrNoExtendedConnect):
		return t.fallback.RoundTrip(r)
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errors.New("the Transport returned no answer")
	}
	resp.Request = connect
	if stream != nil {
		resp.Body = &streamBody{stream}
	} else if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, nil
}

// streamBody is a stream as the body of the answer that opened it.
type streamBody struct{ Stream }
