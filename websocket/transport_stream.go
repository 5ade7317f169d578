package websocket

import (
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
