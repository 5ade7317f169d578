// Package freeaddr finds addresses for servers of tests that must know them
// before they listen.
package freeaddr

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// returned holds the ports that this process has chosen.
var returned sync.Map

// Loopback returns n unused addresses of the loopback interface. Their ports
// are below those that systems assign to outgoing connections and to listeners
// on port 0, so that other tests do not take them in the meantime.
func Loopback(t testing.TB, n int) (addrs []string) {
	t.Helper()
	const low, high = 20_000, 32_000
	for range 1000 {
		if len(addrs) == n {
			return addrs
		}
		port := low + rand.IntN(high-low)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer ln.Close()
		if _, used := returned.LoadOrStore(port, true); used {
			continue // by another test of this process
		}
		addrs = append(addrs, ln.Addr().String())
	}
	t.Fatal("freeaddr: there are not enough free ports")
	return nil
}
