package serve

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// memberOf makes both sides of a connection whose server side is a member of r.
// The pipe between them holds nothing.
func memberOf(t *testing.T, r *room, tooSlow func()) (member, client *websocket.Conn, leave func()) {
	a, b := net.Pipe()
	options := &websocket.ConnOptions{ReadLimit: -1, FragmentSize: -1}
	member, err := websocket.NewConn(a, nil, ws.Handshake{}, ws.StateServerSide, options)
	require.NoError(t, err)
	client, err = websocket.NewConn(b, nil, ws.Handshake{}, ws.StateClientSide, options)
	require.NoError(t, err)
	return member, client, r.join(t.Context(), member, tooSlow)
}

// TestRoomBacklog has a member that reads nothing. The message that is being
// written does not count; what waits after it counts its payload and
// messageCost. One message may wait whatever its length.
func TestRoomBacklog(t *testing.T) {
	for _, tt := range []struct {
		name          string
		backlog, size int
		fit           int // messages of that size
	}{
		{"default, long", 0, 100_000, 10},
		{"default, empty", 0, 0, defaultBacklog / messageCost},
		{"exactly full", 3 * (1000 + messageCost), 1000, 3},
		{"one byte too few", 3*(1000+messageCost) - 1, 1000, 2},
		{"longer than the backlog", 1000, 5000, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := 0
				r := &room{backlog: tt.backlog}
				member, client, leave := memberOf(t, r, func() { slow++ })
				defer client.CloseNow()
				p := []byte(strings.Repeat("x", tt.size))
				for range tt.fit + 1 { // one is being written
					require.NoError(t, r.send(websocket.MessageText, p))
					synctest.Wait()
				}
				q := r.members[member]
				require.NotNil(t, q, "all of them fit")
				require.Len(t, q.messages, tt.fit)
				require.Zero(t, slow)

				require.NoError(t, r.send(websocket.MessageText, p))
				require.Empty(t, r.members)
				require.Empty(t, q.messages, "nothing is held for a member that is closed")
				require.Equal(t, 1, slow)
				<-member.Done()
				require.NoError(t, r.send(websocket.MessageText, p))
				leave()
			})
		})
	}
}

// TestRoomAnyBacklog has a negative limit.
func TestRoomAnyBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{backlog: -1}
		member, client, leave := memberOf(t, r, func() {})
		for range 20 {
			require.NoError(t, r.send(websocket.MessageBinary, make([]byte, 1<<20)))
		}
		synctest.Wait()
		require.Len(t, r.members[member].messages, 19)
		client.CloseNow()
		member.CloseNow()
		leave()
	})
}

// TestRoomSlowMember has members of which one reads nothing: it is told so with
// 1008, and the other one gets all messages, also one that is longer than the
// backlog.
func TestRoomSlowMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{backlog: 1000}
		_, deaf, leaveDeaf := memberOf(t, r, func() {})
		member, good, leaveGood := memberOf(t, r, func() {})
		ctx := context.Background()
		for i := range 10 {
			want := strings.Repeat(string(rune('a'+i)), 400*i)
			require.NoError(t, r.send(websocket.MessageText, []byte(want)))
			_, p, err := good.Read(ctx)
			require.NoError(t, err)
			require.Equal(t, want, string(p))
			synctest.Wait()
		}
		require.Len(t, r.members, 1)
		require.Contains(t, r.members, member)

		_, _, err := deaf.Read(ctx) // the message that was being written
		require.NoError(t, err)
		_, _, err = deaf.Read(ctx)
		var closed websocket.CloseError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, websocket.CloseError{Code: websocket.StatusPolicyViolation, Reason: "too slow: more than 1000 bytes wait"}, closed)
		leaveDeaf()

		good.CloseNow()
		member.CloseNow()
		leaveGood()
	})
}

// TestDeafMembers opens a connection that reads nothing, and another one that sends
// and reads: the first one is closed, and counted.
func TestDeafMembers(t *testing.T) {
	for _, tt := range []struct {
		endpoint string
		size     int
	}{{"broadcast", 1 << 20}, {"chat", 64 << 10}} {
		t.Run(tt.endpoint, func(t *testing.T) {
			_, web := startServer(t, nil)
			url := "ws" + strings.TrimPrefix(web.URL, "http") + "/" + tt.endpoint
			deaf, _, _, err := ws.Dial(t.Context(), url)
			require.NoError(t, err)
			defer deaf.Close()
			good, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
			require.NoError(t, err)
			defer good.CloseNow()
			counted := fmt.Sprintf("\nwskit_slow_members_total{endpoint=%q} 1\n", tt.endpoint)
			for range 10_000 {
				require.NoError(t, good.Write(t.Context(), websocket.MessageText, make([]byte, tt.size)))
				for back := 0; back < tt.size; { // and not, say, who has joined
					_, p, err := good.Read(t.Context())
					require.NoError(t, err)
					back = len(p)
				}
				if _, metrics := get(t, web.URL+"/metrics"); strings.Contains(metrics, counted) {
					return
				}
			}
			t.Fatal("the deaf member is never closed")
		})
	}
}

// TestChatLimit has texts at the limit of the chat, and of --max-message where that
// is less.
func TestChatLimit(t *testing.T) {
	for maxMessage, limit := range map[int64]int{-1: maxChatText, 16 << 20: maxChatText, 100: 100} {
		_, web := startServer(t, func(o *options) { o.maxMessage = maxMessage })
		conn, _, err := websocket.Dial(t.Context(), web.URL+"/chat", &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
		require.NoError(t, err)
		defer conn.CloseNow()
		_, _, err = conn.Read(t.Context()) // who has joined
		require.NoError(t, err)
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, make([]byte, limit)))
		_, p, err := conn.Read(t.Context())
		require.NoError(t, err)
		require.Greater(t, len(p), 6*limit)
		conn.Write(t.Context(), websocket.MessageText, make([]byte, limit+1))
		_, _, err = conn.Read(t.Context())
		require.Equal(t, websocket.StatusMessageTooBig, websocket.CloseStatus(err))
	}
}
