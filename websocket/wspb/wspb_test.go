package wspb_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wspb"
	"github.com/wskit/wskit/ws"
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
	must(t, err)
	s = <-accepted
	t.Cleanup(func() { c.CloseNow(); s.CloseNow(); close(done); srv.Close() })
	return c, s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMessagesGoThere(t *testing.T) {
	c, s := pair(t)
	for _, m := range []proto.Message{
		wrapperspb.String("hi"),
		wrapperspb.String(""),
		wrapperspb.String(strings.Repeat("long", 5000)),
		structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewNumberValue(1)}}),
	} {
		must(t, wspb.Write(t.Context(), c, m))
		got := m.ProtoReflect().New().Interface()
		must(t, wspb.Read(t.Context(), s, got))
		if !proto.Equal(m, got) {
			t.Fatalf("got %v, want %v", got, m)
		}
	}
}

// What was read does not lie in memory that is used again.
func TestReadDoesNotAlias(t *testing.T) {
	c, s := pair(t)
	var first, second wrapperspb.BytesValue
	must(t, wspb.Write(t.Context(), c, wrapperspb.Bytes([]byte("first"))))
	must(t, wspb.Read(t.Context(), s, &first))
	must(t, wspb.Write(t.Context(), c, wrapperspb.Bytes([]byte("other"))))
	must(t, wspb.Read(t.Context(), s, &second))
	if string(first.Value) != "first" {
		t.Fatalf("became %q", first.Value)
	}
}

func TestReadOfWhatDoesNotFitCloses(t *testing.T) {
	for _, tt := range []struct {
		typ  websocket.MessageType
		p    string
		code websocket.StatusCode
	}{
		{websocket.MessageText, "{}", websocket.StatusUnsupportedData},
		{websocket.MessageBinary, "\xff", websocket.StatusInvalidFramePayloadData},
	} {
		c, s := pair(t)
		must(t, c.Write(t.Context(), tt.typ, []byte(tt.p)))
		told := make(chan error, 1)
		go func() {
			_, _, err := c.Read(t.Context())
			told <- err
		}()
		if err := wspb.Read(t.Context(), s, new(wrapperspb.StringValue)); err == nil {
			t.Fatal("no error")
		}
		if code := websocket.CloseStatus(<-told); code != tt.code {
			t.Fatalf("the peer was told %v, not %v", code, tt.code)
		}
	}
}

func TestWriteOfWhatHasNoFormChangesNothing(t *testing.T) {
	c, s := pair(t)
	if err := wspb.Write(t.Context(), c, wrapperspb.String("\xff")); err == nil {
		t.Fatal("no error for a string that is not UTF-8")
	}
	must(t, wspb.Write(t.Context(), c, wrapperspb.Int64(7)))
	var n wrapperspb.Int64Value
	must(t, wspb.Read(t.Context(), s, &n))
	if n.Value != 7 {
		t.Fatal(n.Value)
	}
}

func Example() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()

		var name wrapperspb.StringValue
		if err := wspb.Read(r.Context(), c, &name); err != nil {
			return
		}
		wspb.Write(r.Context(), c, wrapperspb.String("hello, "+name.Value))
		c.Close(websocket.StatusNormalClosure, "")
	}))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()

	if err := wspb.Write(ctx, c, wrapperspb.String("gopher")); err != nil {
		fmt.Println(err)
		return
	}
	var greeting wrapperspb.StringValue
	if err := wspb.Read(ctx, c, &greeting); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(greeting.Value)
	// Output: hello, gopher
}

// A peer that sends something else, and does not answer the close frame, keeps Read no
// longer than its context.
func TestReadObeysContext(t *testing.T) {
	for name, frame := range map[string]ws.Frame{
		"text": ws.NewTextFrame(nil), "no protocol buffer": ws.NewBinaryFrame([]byte{255}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				defer b.Close()
				s, err := websocket.NewConn(a, nil, ws.Handshake{}, ws.StateServerSide, nil)
				must(t, err)
				go func() {
					ws.WriteFrame(b, ws.MaskFrame(frame))
					ws.ReadFrame(b)
				}()
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				start := time.Now()
				if wspb.Read(ctx, s, new(wrapperspb.StringValue)) == nil {
					t.Error("no error")
				}
				if took := time.Since(start); took != 100*time.Millisecond {
					t.Error("took", took)
				}
				<-s.Done()
			})
		})
	}
}
