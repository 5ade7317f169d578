package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// opener creates a WebSocket object of a browser that reports its events to s.
type opener func(url string, protocols []string, s *browserSocket) (browserObject, error)

// dialBrowser is dial in a browser.
func (d *dialing) dialBrowser(ctx context.Context, urlstr string, open opener) (*Conn, *http.Response, error) {
	if d.opts.Group.closing() {
		return nil, nil, ErrGroupClosed
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	request, err := d.browserRequest(ctx, urlstr)
	if err != nil {
		return nil, nil, err
	}
	s := newBrowserSocket(d.opts.BrowserQueue)
	if err := s.connect(ctx, request.URL.String(), d.opts.subprotocols(), open); err != nil {
		return nil, nil, err
	}
	subprotocol := s.object.protocol()
	cfg := connConfig{transport: s, client: true, subprotocol: subprotocol, began: d.began, ConnOptions: d.opts.ConnOptions}
	cfg.request = d.opts.keepRequest(request)
	cfg.KeepAlive = 0     // a browser cannot send pings
	cfg.FragmentSize = -1 // a browser sends nothing between fragments
	c, err := openConn(ctx, &cfg)
	return c, browserAnswer(request, subprotocol), err
}

// browserRequest returns the request of the handshake, as far as it is known.
// It returns an error if a browser cannot send it.
func (d *dialing) browserRequest(ctx context.Context, urlstr string) (*http.Request, error) {
	for _, o := range [...]struct {
		name string
		set  bool
	}{
		{"HTTPClient", d.opts.HTTPClient != nil},
		{"Transport", d.opts.Transport != nil},
		{"HTTPHeader", len(d.opts.HTTPHeader) > 0},
		{"Host", d.opts.Host != ""},
	} {
		if o.set {
			return nil, fmt.Errorf("DialOptions.%s is not available in a browser: %w", o.name, errors.ErrUnsupported)
		}
	}
	request, _, err := d.dialer().NewRequest(ctx, urlstr)
	if err != nil {
		return nil, err
	}
	if _, _, ok := request.BasicAuth(); ok {
		return nil, fmt.Errorf("user and password in the URL are not available in a browser: %w", errors.ErrUnsupported)
	}
	switch request.URL.Scheme {
	case "http":
		request.URL.Scheme = "ws"
	case "https":
		request.URL.Scheme = "wss"
	}
	request.Header = http.Header{}
	return request, nil
}

// connect waits until the connection is open. On error nothing stays open.
func (s *browserSocket) connect(ctx context.Context, url string, protocols []string, open opener) (err error) {
	if ctx.Err() != nil {
		return contextEnd(ctx)
	}
	if s.object, err = open(url, protocols, s); err != nil {
		return err
	}
	select {
	case err = <-s.outcome:
	case <-ctx.Done():
		err = contextEnd(ctx)
	}
	if err != nil {
		s.Close()
	}
	return err
}

// browserAnswer returns the response of the server, as far as a browser exposes
// it.
func browserAnswer(request *http.Request, subprotocol string) *http.Response {
	h := http.Header{}
	if subprotocol != "" {
		h.Set("Sec-WebSocket-Protocol", subprotocol)
	}
	return &http.Response{
		Status:     "101 Switching Protocols",
		StatusCode: http.StatusSwitchingProtocols,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     h,
		Body:       http.NoBody,
		Request:    request,
	}
}
