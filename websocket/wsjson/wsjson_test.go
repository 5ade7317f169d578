package wsjson_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wsjson"
)

// pair returns both ends of a connection over TCP.
func pair(t *testing.T) (c, s *websocket.Conn) {
	t.Helper()
	accepted, done := make(chan *websocket.Conn, 1), make(chan bool)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := websocket.Accept(w, r, nil)
		accepted <- s
		<-done
	}))
	c, _, err := websocket.Dial(t.Context(), srv.URL, nil)
	require.NoError(t, err)
	s = <-accepted
	t.Cleanup(func() { c.CloseNow(); s.CloseNow(); close(done); srv.Close() })
	return c, s
}

func TestValuesGoThere(t *testing.T) {
	c, s := pair(t)
	type point struct{ X, Y int }
	for _, v := range []any{"hi", 1.5, nil, true, []any{"a", 2.0}, map[string]any{"k": "<v> & \u2028"}, strings.Repeat("x", 30_000)} {
		require.NoError(t, wsjson.Write(t.Context(), c, v))
		var got any
		require.NoError(t, wsjson.Read(t.Context(), s, &got))
		require.Equal(t, v, got)
	}
	require.NoError(t, wsjson.Write(t.Context(), s, point{1, 2}))
	var p point
	require.NoError(t, wsjson.Read(t.Context(), c, &p))
	require.Equal(t, point{1, 2}, p)
}

// What goes out is one text message, the bytes of json.Marshal.
func TestWriteIsMarshal(t *testing.T) {
	c, s := pair(t)
	v := map[string]string{"a": "<&>"}
	require.NoError(t, wsjson.Write(t.Context(), c, v))
	typ, p, err := s.Read(t.Context())
	require.NoError(t, err)
	want, _ := json.Marshal(v)
	require.Equal(t, websocket.MessageText, typ)
	require.Equal(t, string(want), string(p))
}

// What was read does not lie in memory that is used again.
func TestReadDoesNotAlias(t *testing.T) {
	c, s := pair(t)
	var first, second json.RawMessage
	for i, v := range []*json.RawMessage{&first, &second} {
		require.NoError(t, wsjson.Write(t.Context(), c, strings.Repeat("ab"[i:i+1], 100)))
		require.NoError(t, wsjson.Read(t.Context(), s, v))
	}
	require.Equal(t, `"`+strings.Repeat("a", 100)+`"`, string(first))
}

func TestReadOfWhatIsNoJSONCloses(t *testing.T) {
	for _, message := range []string{"{", "", `"text"`, "1 2"} {
		c, s := pair(t)
		require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte(message)))
		told := make(chan error, 1)
		go func() {
			_, _, err := c.Read(t.Context())
			told <- err
		}()
		var n int
		err := wsjson.Read(t.Context(), s, &n)
		require.ErrorContains(t, err, "wsjson: read: ")
		require.Equal(t, websocket.StatusInvalidFramePayloadData, websocket.CloseStatus(<-told))
	}
}

func TestWriteOfWhatHasNoFormChangesNothing(t *testing.T) {
	c, s := pair(t)
	err := wsjson.Write(t.Context(), c, make(chan int))
	var fault *json.UnsupportedTypeError
	require.True(t, errors.As(err, &fault))
	require.NoError(t, wsjson.Write(t.Context(), c, "still here"))
	var got string
	require.NoError(t, wsjson.Read(t.Context(), s, &got))
	require.Equal(t, "still here", got)
}

func TestErrorsOfTheConnection(t *testing.T) {
	c, s := pair(t)
	go c.Close(websocket.StatusGoingAway, "bye")
	var v any
	err := wsjson.Read(t.Context(), s, &v)
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
	require.Error(t, wsjson.Write(t.Context(), s, "late"))
}

// panics is a value whose form cannot be made.
type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("ouch") }

func TestPanicOfAValueIsTheCallersAlone(t *testing.T) {
	c, s := pair(t)
	require.PanicsWithValue(t, "ouch", func() { wsjson.Write(t.Context(), c, panics{}) })
	require.NoError(t, wsjson.Write(t.Context(), c, 1))
	var n int
	require.NoError(t, wsjson.Read(t.Context(), s, &n))
	require.Equal(t, 1, n)
}

// Buffers come from a pool: what is allocated is what encoding/json does.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	c, s := pair(t)
	v := struct{ N int }{}
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if err := wsjson.Write(t.Context(), c, &v); err != nil {
			t.Fatal(err)
		}
		if err := wsjson.Read(t.Context(), s, &v); err != nil {
			t.Fatal(err)
		}
	}), 8.0)
}

// A value that nothing can be stored in is the caller's mistake: nothing is read.
func TestReadIntoNoPointer(t *testing.T) {
	c, s := pair(t)
	require.NoError(t, wsjson.Write(t.Context(), c, 7))
	for _, v := range []any{nil, 1, struct{}{}, map[string]any{}, (*int)(nil)} {
		var mistake *json.InvalidUnmarshalError
		require.ErrorAs(t, wsjson.Read(t.Context(), s, v), &mistake)
	}
	var n int
	require.NoError(t, wsjson.Read(t.Context(), s, &n))
	require.Equal(t, 7, n)
}

// A peer that sends no JSON, and does not answer the close frame, keeps Read no longer than
// its context.
func TestReadObeysContext(t *testing.T) {
	c, s := pair(t)
	require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte("{")))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var v any
	var syntax *json.SyntaxError
	require.ErrorAs(t, wsjson.Read(ctx, s, &v), &syntax)
	<-s.Done()
	require.Equal(t, websocket.StatusInvalidFramePayloadData, s.CloseRecord().Sent)
	require.NotErrorIs(t, s.CloseRecord().Err, os.ErrDeadlineExceeded, "that of Close")
}

// Values of many goroutines, some of which are canceled, arrive unchanged.
func TestStress(t *testing.T) {
	c, s := pair(t)
	type value struct {
		N int
		S string
	}
	made := func(n int) value { return value{n, strings.Repeat(string(rune('a'+n%26)), n)} }
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+j)%3 == 0 {
					cancel()
				}
				wsjson.Write(ctx, c, made(100*i+j))
				cancel()
			}
		})
	}
	go func() {
		wg.Wait()
		c.Close(websocket.StatusNormalClosure, "")
	}()
	for read := 0; ; read++ {
		var v value
		err := wsjson.Read(t.Context(), s, &v)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			require.Greater(t, read, 500)
			return
		}
		require.NoError(t, err)
		require.Equal(t, made(v.N), v)
	}
}
