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

// ErrNoExtendedConnect is returned by a [Transport] if the server does not
// support extended CONNECT or the transport's version of HTTP. The transport
// has sent no request, so the caller may try HTTP/1.1.
var ErrNoExtendedConnect = errors.New("websocket: the server does not support extended CONNECT")

// Transport opens WebSocket streams by extended CONNECT (RFC 8441, RFC 9220).
// It must be safe for concurrent use. See [DialOptions].Transport.
type Transport interface {
	// Connect sends r and returns the response. r is an extended CONNECT in the
	// form in which net/http passes one to handlers: its method is CONNECT, its
	// field ":protocol" is the protocol, its Host is :authority, and its URL
	// has the scheme and path. It has no body. Connect must not modify r or its
	// header.
	//
	// The context of r limits Connect and the body of a refusal, but not the
	// stream. Connect returns a stream if the status is 2xx. Otherwise the
	// stream is nil, and the caller must close the body of the response. The
	// error wraps [ErrNoExtendedConnect] if the server does not support
	// extended CONNECT.
	Connect(r *http.Request) (Stream, *http.Response, error)
}

// Stream is a reliable stream of bytes in both directions, such as that of an
// extended CONNECT. Reads and writes may be concurrent. Close and the deadlines
// may be called concurrently with both. A deadline in the past ends pending
// calls, and a later deadline makes the stream usable again.
type Stream interface {
	// Close ends both directions at once, and pending reads and writes. If the
	// peer has not ended its direction, Close resets the stream.
	io.ReadWriteCloser

	// CloseWrite ends the sending direction, with END_STREAM or FIN.
	CloseWrite() error

	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// OpenStream performs the handshake of d with the server of the URL over t. It
// returns the stream and the result of the handshake, for [NewConn] or for a
// proxy. ctx and the Timeout of d limit the handshake. OpenStream uses the
// fields of d that [ws.Dialer.NewRequest] uses. The caller handles cookies and
// redirects: a response with a status other than 2xx is a
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
		return nil, errors.New("the Transport returned no response")
	}
	resp.Request = connect
	if stream != nil {
		resp.Body = &streamBody{stream}
	} else if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, nil
}

// streamBody is a stream in the form of the response body that opened it.
type streamBody struct{ Stream }
