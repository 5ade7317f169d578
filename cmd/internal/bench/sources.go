package bench

import (
	"net"
	"net/netip"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// maxSources is the maximum number of addresses in a prefix.
const maxSources = 1024

// parseSources returns the local addresses to connect from. Each has as many
// ports as the system assigns, about 28,000 on Linux by default.
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
			return nil, exit.Usagef("--source %q: write an address of this machine, or a range such as 127.0.0.0/29", s)
		}
		for addr := prefix.Masked().Addr().Next(); prefix.Contains(addr) && len(sources) < maxSources; addr = addr.Next() {
			sources = append(sources, net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		}
	}
	return sources, nil
}
