package hub_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	background = context.Background()
	errClosed  = errors.New("closed")
)

// fake is a receiver that notes what it gets.
type fake struct {
	mu     sync.Mutex
	got    []string
	answer func(m *hub.Message) (wsutil.SendResult, error) // nil: takes all
	closed chan ws.StatusCode
}

func newFake() *fake { return &fake{closed: make(chan ws.StatusCode, 1)} }

// line is a message as tests write it.
func line(m *hub.Message) string {
	switch m.Kind {
	case hub.Join:
		return m.Topic + ": join " + string(m.Payload)
	case hub.Leave:
		return m.Topic + ": leave " + string(m.Payload)
	case hub.Gap:
		return m.Topic + ": gap"
	}
	return m.Topic + ": " + string(m.Payload)
}

func (f *fake) Deliver(m *hub.Message) (wsutil.SendResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	result, err := wsutil.SendQueued, error(nil)
	if f.answer != nil {
		result, err = f.answer(m)
	}
	if result.Taken() {
		f.got = append(f.got, line(m))
	}
	return result, err
}

func (f *fake) Replay(ctx context.Context, m *hub.Message) error {
	if _, err := f.Deliver(m); err != nil {
		return err
	}
	return ctx.Err()
}

func (f *fake) Buffered() int { return 0 }

func (f *fake) Close(code ws.StatusCode, _ string) error {
	select {
	case f.closed <- code:
	default:
	}
	return nil
}

// take returns what has arrived since the last call.
func (f *fake) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.got
	f.got = nil
	return got
}

func (f *fake) answers(answer func(m *hub.Message) (wsutil.SendResult, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// join returns a member, which leaves with the test, and its receiver.
func join(t *testing.T, h *hub.Hub) (*hub.Member, *fake) {
	f := newFake()
	m, err := h.Join(f, nil)
	require.NoError(t, err)
	t.Cleanup(m.Leave)
	return m, f
}

func subscribe(t *testing.T, m *hub.Member, topics ...string) {
	for _, topic := range topics {
		_, err := m.Subscribe(background, topic, nil)
		require.NoError(t, err)
	}
}

func publish(t *testing.T, h *hub.Hub, topic, text string) hub.Position {
	at, err := h.Publish(background, topic, hub.Text(text))
	require.NoError(t, err)
	return at
}

// keep is a broker in memory that keeps so many messages of each topic.
func keep(messages int) hub.Broker {
	return hub.NewMemory(func(string) hub.History { return hub.History{Messages: messages} })
}

func lines(topic string, from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprintf("%s: %d", topic, i))
	}
	return all
}
