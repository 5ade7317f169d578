// Proxy forwards WebSocket connections to a backend frame by frame. It checks
// headers and forwards payloads as they arrive, so that large messages need no
// memory. Client and backend negotiate extensions. From the folder of the
// examples:
//
//	go run ./echo/websocket -addr 127.0.0.1:8081 &
//	go run ./proxy -backend ws://127.0.0.1:8081/ws
package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

const (
	mostFrame   = 16 << 20
	idleTimeout = 5 * time.Minute // of either direction; pings count
)

type proxy struct {
	backend string
	open    sync.WaitGroup
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.open.Add(1)
	defer p.open.Done()
	var backend net.Conn
	var agreed ws.Handshake
	u := ws.HTTPUpgrader{
		OnRequest: func(r *http.Request) (err error) { // the request is valid: dial the backend
			backend, agreed, err = p.dial(r)
			return err
		},
		ChooseProtocol: func([]string) (string, error) { return agreed.Protocol, nil },
		Negotiate: func(offer httphead.Option) (accepted httphead.Option, err error) {
			for i, o := range agreed.Extensions {
				if string(o.Name) == string(offer.Name) { // the first offer of that name
					agreed.Extensions = slices.Delete(slices.Clone(agreed.Extensions), i, i+1)
					return o, nil
				}
			}
			return accepted, nil
		},
	}
	client, _, _, err := u.Upgrade(r, w)
	if backend != nil {
		defer backend.Close()
	}
	if err != nil {
		log.Printf("proxy: %s: %v", r.RemoteAddr, err)
		return
	}
	defer client.Close()
	defer context.AfterFunc(r.Context(), func() { client.Close(); backend.Close() })()

	var up error
	var both sync.WaitGroup
	both.Go(func() { up = forward(backend, client, ws.StateServerSide) })
	down := forward(client, backend, ws.StateClientSide)
	both.Wait()
	log.Printf("proxy: %s: %v", r.RemoteAddr, cmp.Or(up, down))
}

// forward forwards the frames of src to dst, up to a close frame. side is the
// side of this program on src. On an error it ends both connections.
func forward(dst, src net.Conn, side ws.State) (err error) {
	defer func() {
		if err != nil {
			dst.Close()
			src.Close()
		}
	}()
	br := bufio.NewReader(src)
	state := side | ws.StateExtended // reserved bits belong to the negotiated extensions
	for {
		src.SetReadDeadline(time.Now().Add(idleTimeout))
		h, err := ws.ReadHeader(br)
		if err != nil {
			return err
		}
		if err := ws.CheckHeader(h, state); err != nil {
			return err
		}
		if h.Length > mostFrame {
			return fmt.Errorf("frame of %d bytes", h.Length)
		}
		if h.OpCode.IsData() {
			state = state.Set(ws.StateFragmented)
			if h.Fin {
				state = state.Clear(ws.StateFragmented)
			}
		}
		dst.SetWriteDeadline(time.Now().Add(idleTimeout))
		if err := ws.WriteHeader(dst, h); err != nil { // with its mask: the payload stays masked
			return err
		}
		if _, err := io.CopyN(dst, br, h.Length); err != nil {
			return err
		}
		if h.OpCode == ws.OpClose {
			return nil
		}
	}
}

func (p *proxy) run(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	context.AfterFunc(ctx, func() { server.Close() })
	err := server.Serve(ln)
	p.open.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8085", "`host:port` to listen on")
	backend := flag.String("backend", "ws://127.0.0.1:8081/ws", "`URL` to forward to")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("proxy: forwarding ws://%v to %s\n", ln.Addr(), *backend)
	log.Fatal((&proxy{backend: *backend}).run(context.Background(), ln))
}
