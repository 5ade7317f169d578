package wsh2

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wskit/wskit/websocket"
)

// session returns what a server sends to open a WebSocket, say Hello and close: before
// the request, and after it.
func session(t *testing.T) (before, after []byte) {
	var out, block bytes.Buffer
	fr := http2.NewFramer(&out, nil)
	require.NoError(t, fr.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}))
	require.NoError(t, fr.WriteSettingsAck())
	before = bytes.Clone(out.Bytes())
	out.Reset()
	fields := hpack.NewEncoder(&block)
	fields.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	require.NoError(t, fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}))
	require.NoError(t, fr.WriteWindowUpdate(1, 100))
	require.NoError(t, fr.WriteData(1, false, []byte("\x81\x05Hello\x89\x00")))
	require.NoError(t, fr.WritePing(false, [8]byte{}))
	require.NoError(t, fr.WriteData(1, true, []byte("\x88\x02\x03\xe8")))
	return before, out.Bytes()
}

// A server that ends or vanishes at any byte of a session leaves nothing.
func TestServerEndsAtEveryByte(t *testing.T) {
	before, after := session(t)
	for name, end := range map[string]func(s *script){
		"ends":     func(s *script) { s.conn.Close() },
		"vanishes": (*script).stopReading,
	} {
		t.Run(name, func(t *testing.T) {
			for sent := range len(before) + len(after) + 1 {
				bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
					ended := make(chan error)
					go func() {
						c, _, err := websocket.Dial(t.Context(), "ws://a.example/", &websocket.DialOptions{Transport: tr})
						if err == nil {
							defer c.CloseNow()
						}
						for err == nil {
							_, _, err = c.Read(t.Context())
						}
						ended <- err
					}()
					s := next()
					s.want("SETTINGS 0")
					s.conn.Write(before[:min(sent, len(before))])
					if sent > len(before) {
						s.want("HEADERS 1")
						s.conn.Write(after[:sent-len(before)])
					}
					synctest.Wait()
					end(s)
					err := <-ended
					clean := websocket.CloseStatus(err) == websocket.StatusNormalClosure
					require.Equal(t, sent == len(before)+len(after), clean, "after %d bytes: %v", sent, err)
					if sent < len(before) {
						require.NotErrorIs(t, err, websocket.ErrNoExtendedConnect, "after %d bytes", sent)
					}
					s.conn.Close()
					synctest.Wait()
					require.Empty(t, tr.pools, "after %d bytes", sent)
				})
			}
		})
	}
}
