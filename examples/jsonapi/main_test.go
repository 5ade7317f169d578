package main

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func bearer(token string) *websocket.DialOptions {
	return &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}}
}

func TestAnswers(t *testing.T) {
	addr := program.Start(t, (&api{token: "secret"}).run)
	c := program.Dial(t, "ws://"+addr+"/api", bearer("secret"))
	for _, row := range []struct{ request, want string }{
		{`{"id":1,"method":"sum","params":[1,2,3.5]}`, `{"id":1,"result":6.5}`},
		{`{"id":2,"method":"sum","params":"x"}`, `{"id":2,"error":"params is not a list of numbers"}`},
		{`{"id":3,"method":"drop"}`, `{"id":3,"error":"no method \"drop\""}`},
	} {
		program.Send(t, c, row.request)
		require.JSONEq(t, row.want, program.Receive(t, c))
	}
	// A slow request does not hold up those after it.
	program.Send(t, c, `{"id":4,"method":"sleep","params":300}`)
	program.Send(t, c, `{"id":5,"method":"sum","params":[]}`)
	require.JSONEq(t, `{"id":5,"result":0}`, program.Receive(t, c))
	require.JSONEq(t, `{"id":4,"result":"awake"}`, program.Receive(t, c))

	program.Send(t, c, `{"id":`)
	_, _, err := c.Read(t.Context())
	require.Equal(t, websocket.StatusInvalidFramePayloadData, websocket.CloseStatus(err))
}

func TestAuthentication(t *testing.T) {
	addr := program.Start(t, (&api{token: "secret"}).run)
	for _, opts := range []*websocket.DialOptions{nil, bearer("wrong")} {
		_, resp, err := websocket.Dial(t.Context(), "ws://"+addr+"/api", opts)
		refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, 401, refusal.StatusCode())
		require.Equal(t, "Bearer", resp.Header.Get("WWW-Authenticate"))
	}
}

// What is in flight when the program stops is answered.
func TestGracefulStop(t *testing.T) {
	addr, stop := program.StartStop(t, (&api{token: "secret"}).run)
	c := program.Dial(t, "ws://"+addr+"/api", bearer("secret"))
	program.Send(t, c, `{"id":1,"method":"sleep","params":200}`)
	program.Send(t, c, `{"id":2,"method":"sum","params":[1]}`)
	require.JSONEq(t, `{"id":2,"result":1}`, program.Receive(t, c), "both are in flight")
	go stop()
	require.JSONEq(t, `{"id":1,"result":"awake"}`, program.Receive(t, c))
	_, _, err := c.Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
	stop()
	_, _, err = websocket.Dial(t.Context(), "ws://"+addr+"/api", bearer("secret"))
	require.Error(t, err)
}
