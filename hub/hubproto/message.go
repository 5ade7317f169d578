package hubproto

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
)

// The values of "do" in a request.
const (
	doSubscribe   = "subscribe"
	doUnsubscribe = "unsubscribe"
	doPublish     = "publish"
	doPresence    = "presence"
	doPing        = "ping"
)

// request is what a client sends.
type request struct {
	ID    uint64 `json:"id"`
	Do    string `json:"do"`
	Topic string `json:"topic,omitempty"`

	Since    hub.Position    `json:"since,omitzero"`     // subscribe
	Presence json.RawMessage `json:"presence,omitempty"` // subscribe

	Data json.RawMessage `json:"data,omitempty"` // publish
	Key  string          `json:"key,omitempty"`  // publish
	Once string          `json:"once,omitempty"` // publish

	Limit int `json:"limit,omitempty"` // presence
}

// reply answers a request, by its ID.
type reply struct {
	Re    uint64 `json:"re"`
	Error string `json:"error,omitempty"` // a code
	Text  string `json:"text,omitempty"`  // details of the error

	At        hub.Position `json:"at,omitzero"`         // subscribe, publish
	Prev      hub.Position `json:"prev,omitzero"`       // subscribe with since: of the last replayed message, or since
	Recovered *bool        `json:"recovered,omitempty"` // subscribe with since

	Count   *int     `json:"count,omitempty"` // presence
	Members []member `json:"members,omitempty"`
}

// member is a member in the answer to a presence request.
type member struct {
	ID   string          `json:"id"`
	Data json.RawMessage `json:"data"`
}

// message is sent by the server without a request. A publication has no event.
// Its payload is in Bytes if it is binary, in Data if it is JSON, and otherwise
// in Text.
type message struct {
	Topic string       `json:"topic,omitempty"`
	Event string       `json:"event,omitempty"`
	At    hub.Position `json:"at,omitzero"`
	Prev  hub.Position `json:"prev,omitzero"` // of the preceding message
	Key   string       `json:"key,omitempty"`

	Data  json.RawMessage `json:"data,omitempty"`
	Text  *string         `json:"text,omitempty"`
	Bytes []byte          `json:"bytes,omitempty"` // in base64

	Member string `json:"member,omitempty"` // of a join or leave
	Replay bool   `json:"replay,omitempty"` // from the history; not for patterns
}

// The events of messages.
const (
	eventJoin  = "join"
	eventLeave = "leave"
	eventGap   = "gap"
)

// The codes of an [Error].
const (
	CodeRequest    = "request"    // the request is incomplete or unknown
	CodeTopic      = "topic"      // the topic is invalid
	CodeDenied     = "denied"     // the program does not allow it
	CodeSubscribed = "subscribed" // the client is already subscribed to the topic
	CodeLimit      = "limit"      // the client has too many subscriptions
	CodeAway       = "away"       // try again later: the broker does not answer
	CodeRestart    = "restart"    // try again later: the server is about to restart
)

// Error is an error that the server sends to the client. A hook of the hub may
// return one, possibly wrapped. The text of other errors is not sent.
type Error struct {
	Code string // one of the constants, or defined by the program
	Text string // for people
}

// Error returns the code and the text.
func (e *Error) Error() string { return fmt.Sprintf("hubproto: %s: %s", e.Code, e.Text) }

// encoder encodes the messages of a hub.
type encoder struct{}

// Encode implements [hub.Encoder].
func (encoder) Encode(m *hub.Message) (ws.OpCode, []byte, error) {
	out := message{Topic: m.Topic, At: m.Position, Prev: m.Previous, Key: m.Key, Replay: m.Replayed}
	switch m.Kind {
	case hub.Join:
		out.Event, out.Member = eventJoin, m.ID
	case hub.Leave:
		out.Event, out.Member = eventLeave, m.ID
	case hub.Gap:
		out.Event = eventGap
	}
	switch {
	case m.Kind == hub.Gap:
	case m.Op == ws.OpBinary:
		out.Bytes = m.Payload
	case m.Kind != hub.Data:
		out.Data = asJSON(m.Payload)
	case json.Valid(m.Payload):
		out.Data = m.Payload
	default:
		text := string(m.Payload)
		out.Text = &text
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // keeps data short
	err := e.Encode(out)
	return ws.OpText, bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// asJSON returns p if it is JSON, and otherwise p as a JSON string.
func asJSON(p []byte) json.RawMessage {
	if json.Valid(p) {
		return p
	}
	text, _ := json.Marshal(string(p)) // strings do not fail
	return text
}
