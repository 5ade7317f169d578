package bridge

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

var ctx = context.Background()

// bridged is a bridge whose two ends are the test's.
type bridged struct {
	client *websocket.Conn
	stream net.Conn
	ended  chan error
}

func newBridged(t *testing.T, halfClose bool) *bridged {
	client, server := wstest.Pair(t, nil)
	ours, stream := wstest.Pipe(nil)
	b := &bridged{client, stream, make(chan error, 1)}
	go func() { b.ended <- Stream(server, ours, halfClose) }()
	return b
}

func (b *bridged) closeWrite() { b.stream.(interface{ CloseWrite() error }).CloseWrite() }

func (b *bridged) wantEnd(t *testing.T) {
	typ, p, err := b.client.Read(ctx)
	require.NoError(t, err)
	require.Equal(t, websocket.MessageBinary, typ)
	require.Empty(t, p)
}

// An empty binary message is the end of a direction, and the end of both closes the
// connection with 1000.
func TestHalfClose(t *testing.T) {
	for _, first := range []string{"client", "stream"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBridged(t, true)
			answer := func() {
				io.WriteString(b.stream, "answer")
				b.closeWrite()
				_, p, err := b.client.Read(ctx)
				require.NoError(t, err)
				require.Equal(t, "answer", string(p))
				b.wantEnd(t)
			}
			require.NoError(t, b.client.Write(ctx, websocket.MessageText, []byte("que")))
			require.NoError(t, b.client.Write(ctx, websocket.MessageText, nil)) // is no end
			require.NoError(t, b.client.Write(ctx, websocket.MessageBinary, []byte("stion")))
			if first == "stream" {
				answer()
			}
			require.NoError(t, b.client.Write(ctx, websocket.MessageBinary, nil))
			got, err := io.ReadAll(b.stream)
			require.NoError(t, err)
			require.Equal(t, "question", string(got))
			if first == "client" {
				answer()
			}
			_, _, err = b.client.Read(ctx)
			require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
			require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(<-b.ended))
		})
	}
}

// Either end may end both.
func TestEnd(t *testing.T) {
	for name, c := range map[string]struct {
		halfClose bool
		do        func(*bridged)
		code      websocket.StatusCode
	}{
		"close frame":   {true, func(b *bridged) { b.client.Close(4001, "") }, 4001},
		"client lost":   {true, func(b *bridged) { b.client.CloseNow() }, -1},
		"no half-close": {false, func(b *bridged) { b.closeWrite(); b.client.Read(ctx) }, websocket.StatusNormalClosure},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBridged(t, c.halfClose)
				c.do(b)
				require.Equal(t, c.code, websocket.CloseStatus(<-b.ended))
				_, err := b.stream.Read(make([]byte, 1))
				require.Error(t, err)
				b.stream.Close()
				b.client.CloseNow()
			})
		})
	}
}

// A side that does not read holds the other one up, and a connection that ends meanwhile
// ends the bridge.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBridged(t, true)
		message := make([]byte, 30_000)
		total := 0
		for done := false; !done; {
			wrote := make(chan error, 1)
			go func() { wrote <- b.client.Write(ctx, websocket.MessageBinary, message) }()
			synctest.Wait()
			select {
			case err := <-wrote:
				require.NoError(t, err)
				total += len(message)
			default: // it blocks
				done = true
			}
		}
		require.Less(t, total, 400_000)
		b.client.CloseNow()
		b.stream.Close()
		<-b.ended
	})
}

// What is long is cut into messages of a bounded size.
func TestLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBridged(t, true)
		b.client.SetReadLimit(chunk)
		go func() {
			io.Copy(b.stream, strings.NewReader(strings.Repeat("x", 1<<20)))
			b.closeWrite()
		}()
		var got bytes.Buffer
		for {
			_, p, err := b.client.Read(ctx)
			require.NoError(t, err)
			if len(p) == 0 {
				break
			}
			got.Write(p)
		}
		require.Equal(t, 1<<20, got.Len())
		b.client.CloseNow()
		<-b.ended
		b.stream.Close()
	})
}
