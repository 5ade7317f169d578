package hubproto_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
)

// Whatever a client sends, it gets one answer in JSON with its ID, or the
// connection ends with a reason. Nothing is left behind.
func FuzzRequests(f *testing.F) {
	for _, text := range []string{
		`{"id":1,"do":"ping"}`,
		`{"id":2,"do":"subscribe","topic":"a","since":"5f3c-17","presence":{"x":1}}`,
		`{"id":3,"do":"subscribe","topic":"a.*"}`,
		`{"id":4,"do":"publish","topic":"a","data":[1,"x"],"key":"k","once":"o"}`,
		`{"id":5,"do":"presence","topic":"a","limit":3}`,
		`{"id":6,"do":"unsubscribe","topic":"a"}`,
		`{"id":1,"do":"ping"} `, `{`, `nul`, `{"do":"subscribe","topic":"\u0000\ud800"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || len(text) > 16<<10 {
			t.Skip("the connection refuses it")
		}
		for _, newNetwork := range []opener{newNetwork, newLoopNetwork} {
			synctest.Test(t, func(t *testing.T) {
				h := hub.New(&hub.Options{Broker: keep(10)})
				n := newNetwork(t, &hubproto.Server{Hub: h})
				n.conn.CloseTimeout = time.Second
				c := n.dial(t)
				c.conn.Send(websocket.MessageText, []byte(text))
				c.conn.Send(websocket.MessageText, []byte(`{"id":18446744073709551615,"do":"ping"}`))
				answers := 0
				for {
					_, p, err := c.conn.Read(background)
					if err != nil {
						require.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err))
						break
					}
					var m struct {
						Re    *uint64
						Error string
					}
					require.NoError(t, json.Unmarshal(p, &m))
					if m.Re == nil {
						continue
					}
					if answers++; answers == 2 {
						require.EqualValues(t, uint64(1<<64-1), *m.Re)
						break
					}
				}
				c.conn.CloseNow()
				n.close()
				require.Zero(t, h.Stats().Members)
				require.Zero(t, h.Stats().Topics)
			})
		}
	})
}
