package wstest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// DriveClient implements the protocol of a client under test in Go. It reads
// the cases of the suite at base, calls run with the URL of each, at most
// parallel calls at a time, and fetches the report. The URL contains the ID of
// the case. run opens a WebSocket connection to the URL and echoes every
// message until the connection ends. Errors of run are ignored. If run panics,
// the case has failed with the text of the panic; a panic on another goroutine
// is not caught.
//
//	wstest.RunClient(ctx, func(base string) error {
//		return wstest.DriveClient(ctx, base, 16, echoUntilTheEnd)
//	}, nil)
func DriveClient(ctx context.Context, base string, parallel int, run func(ctx context.Context, url string) error) error {
	return drive(ctx, (*Options)(nil).orDefaults(), base, parallel, run)
}

// DriveClientOver is DriveClient for a client over HTTP/2 or HTTP/3. t opens
// the streams for the suite's own URLs; run opens its own.
func DriveClientOver(ctx context.Context, t websocket.Transport, base string, parallel int, run func(ctx context.Context, url string) error) error {
	return drive(ctx, (&Options{Transport: t}).orDefaults(), base, parallel, run)
}

// drive is DriveClient with the dial options of o.
func drive(ctx context.Context, o *Options, base string, parallel int, run func(ctx context.Context, url string) error) error {
	names, err := fetch(ctx, o, base+"/cases")
	if err != nil {
		return err
	}
	ids := strings.Fields(names)
	broken := make([]error, len(ids))
	slots := make(chan struct{}, max(parallel, 1))
	var wg sync.WaitGroup
	for i, id := range ids {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			which := "?n=" + strconv.Itoa(i+1) + "&id=" + strings.ReplaceAll(id, "+", "%2B")
			if why := guard(func() { run(ctx, base+"/case"+which) }); why != "" {
				_, broken[i] = fetch(ctx, o, base+"/broken"+which+"&why="+url.QueryEscape(why))
			}
		})
	}
	wg.Wait()
	if _, err := fetch(ctx, o, base+"/report"); err != nil {
		return err
	}
	return errors.Join(broken...)
}

// guard calls f and returns the text and place of its panic, or "".
func guard(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("panic: %.1000v%s", fmt.Sprint(v), panicPlace())
		}
	}()
	f()
	return ""
}

// panicPlace returns the place of the panic that the deferred caller has
// recovered.
func panicPlace() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for inside := false; ; {
		f, more := frames.Next()
		ofRuntime := strings.HasPrefix(f.Function, "runtime.")
		if inside && !ofRuntime {
			return fmt.Sprintf(" (%s:%d)", f.File, f.Line)
		}
		if inside = inside || ofRuntime; !more {
			return ""
		}
	}
}

// fetch reads the message at a URL.
func fetch(ctx context.Context, o *Options, url string) (string, error) {
	t, err := parseTarget(url)
	if err != nil {
		return "", err
	}
	conn, err := t.dial(ctx, o)
	if err != nil {
		return "", err
	}
	p := newPeer(conn, true, o)
	p.target = t
	defer p.shut()
	if _, err := p.ask(p.newRequest()); err != nil {
		return "", err
	}
	ev, err := p.wantAnyMessage()
	if err != nil {
		return "", err
	}
	p.send(closing(ws.StatusNormalClosure, ""))
	p.next()
	return string(ev.payload), nil
}
