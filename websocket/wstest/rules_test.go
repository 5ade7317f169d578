package wstest

import (
	"strings"
	"testing"
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
