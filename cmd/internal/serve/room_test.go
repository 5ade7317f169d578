package serve

import (
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// TestRoomSlowMember has a member who reads nothing: nobody waits for him, and he has to go.
func TestRoomSlowMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer client.Close()
		conn, err := websocket.NewConn(server, nil, ws.Handshake{}, ws.StateServerSide, nil)
		require.NoError(t, err)
		var r room
		leave := r.join(t.Context(), conn)
		for range backlog + 2 { // one is being written
			require.NoError(t, r.send(websocket.MessageText, []byte("x")))
			synctest.Wait()
		}
		require.Empty(t, r.members)
		<-conn.Done()
		leave()
	})
}
