package echo

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
)

// Run is the main function of the programs. It listens on the address of the
// flag -addr, prints the address as a URL, and serves until SIGINT or SIGTERM.
// A second signal ends the program immediately.
func Run(scheme, defaultAddr string, serve func(context.Context, net.Listener) error) {
	addr := flag.String("addr", defaultAddr, "`host:port` to listen on")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)

	ln, err := net.Listen("tcp", *addr)
	if err == nil {
		fmt.Printf("echo: serving on %s\n", address(scheme, ln.Addr()))
		err = serve(ctx, ln)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "echo: %v\n", err)
		os.Exit(1)
	}
}

// address returns the URL of a listener for clients.
func address(scheme string, a net.Addr) string {
	host := a.String()
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return scheme + "://" + host + "/"
}
