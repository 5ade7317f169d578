package wstest_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

// greet is the code under test.
func greet(ctx context.Context, c *websocket.Conn) error {
	_, name, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if err := c.Write(ctx, websocket.MessageText, append([]byte("hello, "), name...)); err != nil {
		return err
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

// The code under test has one end of a connection in memory, and the test the
// other. In a test, use [wstest.Pair], which takes a testing.TB instead of
// returning an error.
func Example() {
	client, server, err := wstest.NewPair(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseNow()
	ctx := context.Background()
	ended := make(chan error)
	go func() { ended <- greet(ctx, server) }()

	client.Write(ctx, websocket.MessageText, []byte("Ann"))
	_, p, err := client.Read(ctx)
	fmt.Println(string(p), err)
	_, _, err = client.Read(ctx)
	fmt.Println(websocket.CloseStatus(err))
	fmt.Println(<-ended)
	// Output:
	// hello, Ann <nil>
	// StatusNormalClosure
	// <nil>
}

// A Verdict is encoded as a name in JSON.
func ExampleVerdict() {
	text, err := json.Marshal([]wstest.Verdict{wstest.Strict, wstest.Failed})
	fmt.Println(string(text), err)
	var verdicts []wstest.Verdict
	err = json.Unmarshal(text, &verdicts)
	fmt.Println(verdicts[1], verdicts[1] == wstest.Failed, err)
	// Output:
	// ["strict","failed"] <nil>
	// failed true <nil>
}
