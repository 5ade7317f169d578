package wstest

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What a peer must not send fails a case, whatever the case is about.
func TestRulesOnThePeer(t *testing.T) {
	rsv := func(n byte, f frame) frame { f.rsv = n; return f }
	long := strings.Repeat("x", 126)
	for _, tt := range []struct {
		name   string
		frames []frame
		err    string
	}{
		{"good", []frame{text("he").unfinished(), ping("x"), pong("y"), cont("").unfinished(), cont("llo"), closing(1000, "€")}, ""},
		{"reserved data", []frame{{op: 3}}, "reserved opcode 3"},
		{"reserved control", []frame{{op: 11}}, "reserved opcode 11"},
		{"rsv1", []frame{rsv(4, text(""))}, "RSV=100"},
		{"rsv3", []frame{rsv(1, ping(""))}, "RSV=001"},
		{"mask", []frame{{op: 1, wrongWay: true}}, "masked"},
		{"fragmented control", []frame{ping("").unfinished()}, "without FIN"},
		{"long control", []frame{pong(long)}, "126 bytes"},
		{"orphan", []frame{cont("")}, "outside of a message"},
		{"orphan behind a message", []frame{text(""), cont("")}, "outside of a message"},
		{"nested", []frame{text("").unfinished(), text("")}, "inside a message"},
		{"not minimal", []frame{{op: 2, payload: []byte(long), form: sixtyfour}}, "shortest form"},
		{"huge", []frame{{op: 2, declared: 1 << 63, lies: true}}, "declared"},
		{"not UTF-8", []frame{text("\xff")}, "UTF-8"},
		{"short close", []frame{{op: 8, payload: []byte{3}}}, "one byte"},
		{"code 1005", []frame{closing(1005, "")}, "1005"},
		{"code 1016", []frame{closing(1016, "")}, "1016"},
		{"reason", []frame{closing(1000, "\xc0\xaf")}, "reason"},
		{"after close", []frame{closing(1000, ""), ping("")}, "after its close frame"},
	} {
		for name, client := range map[string]bool{"server": true, "client": false} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				a, b := Pipe(nil)
				var wire []byte
				for _, f := range tt.frames {
					wire = f.append(wire, !client)
				}
				_, err := b.Write(wire)
				require.NoError(t, err)
				p := newPeer(a, client, (&Options{Timeout: 10 * time.Second}).orDefaults())
				defer b.Close()
				defer a.Close()
				for range tt.frames {
					ev, e := p.next()
					if err = e; e != nil || ev.kind == closeSeen && tt.err == "" {
						break
					}
				}
				if tt.err == "" {
					require.NoError(t, err)
					require.NotNil(t, p.closed)
					return
				}
				require.ErrorContains(t, err, tt.err)
			})
		}
	}
}

// A pong that nobody asked for may come at any time, and is not taken for the
// answer of a ping. After a close frame it does no harm.
func TestUnsolicitedPongs(t *testing.T) {
	end := closing(1000, "")
	for _, tt := range []struct {
		name    string
		frames  []frame
		verdict Verdict
		why     string
	}{
		{"before", []frame{pong("x"), pong(""), pong("asked"), end}, Strict, ""},
		{"between", []frame{pong("asked"), pong("x"), end}, Strict, ""},
		{"twice", []frame{pong("asked"), pong("asked"), end}, Strict, ""},
		{"instead", []frame{pong("aske")}, Failed, "differs from its ping: 4 bytes instead of 5"},
		{"behind the close frame", []frame{pong("asked"), end, pong("x")}, Tolerated, "after its close frame"},
		{"before another fault", []frame{pong("x"), text("x")}, Failed, "expected a pong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := Pipe(nil)
				p := newPeer(a, true, (&Options{}).orDefaults())
				defer p.shut()
				var wire []byte
				for _, f := range tt.frames {
					wire = f.append(wire, false)
				}
				_, err := b.Write(wire)
				require.NoError(t, err)
				if tt.verdict != Failed { // which shows only when nothing more comes
					b.Close()
				}
				time.AfterFunc(10*time.Second, func() { b.Close() })
				c := Case{needs: needRaw, script: func(context.Context, *peer) error {
					p.send(ping("asked"))
					if err := p.wantPong("asked"); err != nil {
						return err
					}
					p.send(end)
					return p.wantClose(true, 1000)
				}}
				v, why := judge(p.run(t.Context(), &c))
				require.Equal(t, tt.verdict, v, why)
				require.Contains(t, why, tt.why)
			})
		})
	}
}

// Pongs that nobody asked for do not put off the question whether a fault was
// swallowed.
func TestUnsolicitedPongsTakeNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(nil)
		o := (&Options{}).orDefaults()
		p, careless := newPeer(a, true, o), newPeer(b, false, o)
		var all sync.WaitGroup
		all.Go(func() {
			for beat := pong("x").append(nil, false); ; time.Sleep(300 * time.Millisecond) {
				if _, err := b.Write(beat); err != nil {
					return
				}
			}
		})
		all.Go(func() { careless.next() }) // answers pings
		start := time.Now()
		v, why := judge(p.wantFailure(protocolError))
		require.Equal(t, Failed, v)
		require.Contains(t, why, "goes on after the fault")
		require.Equal(t, o.Quiet, time.Since(start))
		p.shut()
		careless.shut()
		all.Wait()
	})
}

// Host has a port where it is not the one of the scheme.
func TestPortOfHost(t *testing.T) {
	at := func(port int) net.Addr { return &net.TCPAddr{Port: port} }
	require.True(t, namesPort("server.example:9001", at(9001)))
	require.False(t, namesPort("server.example", at(9001)))
	require.True(t, namesPort("server.example", at(80)))
	require.True(t, namesPort("server.example", pipeAddr{}))
}
