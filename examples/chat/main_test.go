package main

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enter joins a room, and reads up to the news of that.
func enter(t *testing.T, addr, room, name string) *websocket.Conn {
	c := program.Dial(t, "ws://"+addr+"/chat/"+room+"?name="+name, nil)
	require.JSONEq(t, `{"text":"`+name+` is here"}`, program.Receive(t, c))
	return c
}

func TestRooms(t *testing.T) {
	addr, stop := program.StartStop(t, new(chat).run)
	defer stop()
	ann := enter(t, addr, "go", "ann")
	bob := enter(t, addr, "go", "bob")
	require.JSONEq(t, `{"text":"bob is here"}`, program.Receive(t, ann))
	eve := enter(t, addr, "tea", "eve")

	program.Send(t, ann, `say "hi"`)
	for _, c := range []*websocket.Conn{ann, bob} {
		require.JSONEq(t, `{"from":"ann","text":"say \"hi\""}`, program.Receive(t, c))
	}
	program.Send(t, eve, "alone")
	require.JSONEq(t, `{"from":"eve","text":"alone"}`, program.Receive(t, eve), "and nothing of the other room")

	require.NoError(t, bob.Close(websocket.StatusNormalClosure, ""))
	require.JSONEq(t, `{"text":"bob has left"}`, program.Receive(t, ann))
	eve.CloseNow()
	go stop()
	_, _, err := ann.Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
}

func TestNames(t *testing.T) {
	addr := program.Start(t, new(chat).run)
	for _, name := range []string{"", strings.Repeat("x", 41)} {
		_, resp, err := websocket.Dial(t.Context(), "ws://"+addr+"/chat/go?name="+name, nil)
		require.Error(t, err)
		require.Equal(t, 400, resp.StatusCode)
	}
}

// A member that does not read is closed, and the others get all that is said.
func TestSlowMember(t *testing.T) {
	addr := program.Start(t, new(chat).run)
	ann := enter(t, addr, "go", "ann")
	small := ws.Dialer{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(4 << 10) // so that little fills it
		}
		return conn, err
	}}
	slow, _, _, err := small.Dial(t.Context(), "ws://"+addr+"/chat/go?name=slow")
	require.NoError(t, err)
	defer slow.Close()
	require.JSONEq(t, `{"text":"slow is here"}`, program.Receive(t, ann))

	text := strings.Repeat("x", 4000)
	for said := 0; ; said++ {
		program.Send(t, ann, text)
		got := program.Receive(t, ann)
		if strings.Contains(got, "slow has left") {
			break
		}
		require.Equal(t, `{"from":"ann","text":"`+text+`"}`, got)
		require.Less(t, said, 20000, "the slow member stays")
	}
	require.Contains(t, program.Receive(t, ann), text)
}
