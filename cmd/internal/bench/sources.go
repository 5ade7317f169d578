package bench

import (
	"net"
	"net/netip"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// mostSources bounds what a prefix expands to.
const mostSources = 1024

// parseSources returns the local addresses to connect from: each has as many ports of
// its own as the system gives out, 28,000 on Linux by default.
func parseSources(list []string) ([]net.Addr, error) {
	var sources []net.Addr
	for _, s := range list {
		addr, err := netip.ParseAddr(s)
		if err == nil {
			sources = append(sources, net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
			continue
		}
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, exit.Usagef("--source %q: write an address of this machine, or several as 127.0.0.0/29", s)
		}
		for addr := prefix.Masked().Addr().Next(); prefix.Contains(addr) && len(sources) < mostSources; addr = addr.Next() {
			sources = append(sources, net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		}
	}
	return sources, nil
}
