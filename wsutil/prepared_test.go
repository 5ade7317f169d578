package wsutil

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

func TestPreparedMessage(t *testing.T) {
	payload := []byte("Hello")
	m, err := NewPreparedMessage(ws.OpText, payload)
	require.NoError(t, err)
	clear(payload)
	require.Equal(t, ws.OpText, m.OpCode())
	require.Equal(t, "Hello", string(m.Payload()))
	require.Equal(t, "\x81\x05Hello", string(m.Frame()))
	for _, side := range both {
		var dest counted
		for range 2 {
			require.NoError(t, m.Write(&dest, side.state))
		}
		want := frame(ws.OpText, true, "Hello")
		require.Equal(t, []ws.Frame{want, want}, dest.frames(t, side.state))
		if side.state.ClientSide() {
			require.NotEqual(t, dest.writes[0], dest.writes[1], "every frame has its own key")
		}
	}
	_, err = NewPreparedMessage(ws.OpPing, make([]byte, 126))
	require.Equal(t, ErrControlOverflow, err)
}

// Each form is made once, however many ask for it at the same time.
func TestPreparedMessageForms(t *testing.T) {
	type window int
	m, err := NewPreparedMessage(ws.OpBinary, []byte("Hello"))
	require.NoError(t, err)
	boom := errors.New("boom")
	var mu sync.Mutex
	made := make(map[window]int)
	form := func(w window) ([]byte, error) {
		return m.Encode(w, func(op ws.OpCode, p []byte) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			made[w]++
			if w == 0 {
				return nil, boom
			}
			return slices.Concat([]byte{byte(op), byte(w)}, p), nil
		})
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			w := window(i % 4)
			p, err := form(w)
			if w == 0 {
				if err != boom {
					t.Errorf("error %v", err)
				}
			} else if string(p) != "\x02"+string(rune(w))+"Hello" || err != nil {
				t.Errorf("form %d is %q, %v", w, p, err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, map[window]int{0: 1, 1: 1, 2: 1, 3: 1}, made)
}
