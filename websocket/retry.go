package websocket

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Retryable reports whether it makes sense to dial again after err, which is an
// error of [Dial] or the error that ended a connection. It is true for
//
//   - an error of the network, a timeout, and the loss of a connection without
//     a close frame;
//   - a close code for which [ws.StatusCode.Retryable] is true, such as 1001,
//     1012 and 1013;
//   - a response with status 408, 425, 429, or 500 and above, except those for
//     a permanent condition, such as 501 and 505;
//   - a browser that could not connect, because it does not report the reason.
//
// It is false for everything else: other close codes and statuses, an invalid
// URL or certificate, a server that does not support WebSocket, the end of the
// caller's context, a connection that the program itself closed, a fault of the
// peer, and errors of other packages. [RetryAfter] returns how long the server
// asks the client to wait.
func Retryable(err error) bool {
	switch {
	case errors.Is(err, ws.ErrHandshakeTimeout): // also a context error, but not of the caller's context
		return true
	case holds(err, context.Canceled), holds(err, context.DeadlineExceeded), errors.Is(err, wsutil.ErrCloseTimeout):
		return false
	}
	if answer, ok := errors.AsType[*ws.ConnectionRejectedError](err); ok {
		return retryableStatus(answer.StatusCode())
	}
	if status, ok := errors.AsType[ws.StatusError](err); ok { // from a proxy
		return retryableStatus(int(status))
	}
	if code := CloseStatus(err); code >= 0 {
		return ws.StatusCode(code).Retryable()
	}
	return lostNetwork(err)
}

// retryableStatus reports whether a request may be repeated after a response
// with this status (RFC 9110, section 15; RFC 6585).
func retryableStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusVariantAlsoNegotiates,
		http.StatusLoopDetected, http.StatusNotExtended, http.StatusNetworkAuthenticationRequired:
		return false
	}
	return status >= 500
}

// lostNetwork reports whether err is an error of the network that may be
// temporary.
func lostNetwork(err error) bool {
	if _, ok := errors.AsType[*net.AddrError](err); ok { // an invalid port
		return false
	}
	for _, lost := range [...]error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, os.ErrDeadlineExceeded, errBrowserRefused} {
		if errors.Is(err, lost) {
			return !errors.Is(err, ws.ErrMalformedResponse)
		}
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		alert := e.Op == "remote error" || e.Op == "local error" // the names in crypto/tls
		return !alert && !errors.Is(e.Err, net.ErrClosed)
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return true
	}
	late, ok := errors.AsType[net.Error](err)
	return ok && late.Timeout()
}

// holds reports whether target itself is in the chain of err. errors.Is does
// not help, because every timeout of package net claims to be
// [context.DeadlineExceeded].
func holds(err, target error) bool {
	if err == target {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return holds(e.Unwrap(), target)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			if holds(err, target) {
				return true
			}
		}
	}
	return false
}

// RetryAfter returns how long the server asks the client to wait before it
// dials again, from the Retry-After field of the response in err. The field
// holds seconds or a date (RFC 9110, section 10.2.3). ok is false if it is
// missing or malformed. The time is 0 for a date in the past. The caller must
// bound the time, which may be long.
func RetryAfter(err error) (wait time.Duration, ok bool) {
	answer, ok := errors.AsType[*ws.ConnectionRejectedError](err)
	if !ok {
		return 0, false
	}
	values := answer.Header().Values("Retry-After")
	if len(values) != 1 {
		return 0, false
	}
	const most = math.MaxInt64 / int64(time.Second)
	seconds, err := strconv.ParseUint(values[0], 10, 64)
	switch {
	case err == nil, errors.Is(err, strconv.ErrRange):
		return time.Duration(min(seconds, uint64(most))) * time.Second, true
	}
	date, err := http.ParseTime(values[0])
	if err != nil {
		return 0, false
	}
	return max(0, time.Until(date)), true
}
