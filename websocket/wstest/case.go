package wstest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"
)

// Direction is the side that a case tests.
type Direction uint8

// The sides that can be tested.
const (
	Server Direction = 1 << iota
	Client
	Both = Server | Client
)

// String returns "server", "client" or "both".
func (d Direction) String() string {
	switch d {
	case Server:
		return "server"
	case Client:
		return "client"
	}
	return "both"
}

// Case is one test of an implementation.
type Case struct {
	ID          string    `json:"id"`          // area/subject/variant; stable between versions
	Section     string    `json:"section"`     // "RFC 6455, 5.2"
	Requirement string    `json:"requirement"` // what the section requires
	Fault       string    `json:"fault"`       // what a failing implementation does wrong
	Direction   Direction `json:"-"`

	needs  need
	size   int64 // bytes of the largest message
	script script
}

// script plays the suite's side of a case. nil means strict, a *finding has the
// verdict, and every other error means failed.
type script func(ctx context.Context, p *peer) error

// need is a set of requirements of a case.
type need uint8

const (
	needEcho   need = 1 << iota // the peer sends messages back
	needLimit                   // the run declares the peer's limit on messages
	needRaw                     // the script does the handshake itself
	needAlone                   // costs much memory: few of them at once
	needStream                  // is about extended CONNECT
)

// Cases returns all cases, in the order of the RFC. The caller owns the slice.
func Cases() []Case { return slices.Clone(allCases()) }

// ServerCases returns the cases for servers.
func ServerCases() []Case { return casesFor(Server) }

// ClientCases returns the cases for clients.
func ClientCases() []Case { return casesFor(Client) }

func casesFor(d Direction) []Case {
	return slices.DeleteFunc(Cases(), func(c Case) bool { return c.Direction&d == 0 })
}

// allCases collects all cases once.
var allCases = sync.OnceValue(func() []Case {
	var l list
	for _, area := range []func(*list){
		requestCases, responseCases, clientRequestCases, streamCases,
		lengthCases, maskCases, rsvCases, opcodeCases,
		fragmentCases, interleaveCases, fragmentFaultCases,
		pingCases, utf8Cases, utf8CutCases, headerSplitCases, leftoverCases,
		closeCodeCases, closeBodyCases, closeOrderCases,
		sizeCases, limitCases,
		offerCases, agreementCases, deflateCases, takeoverCases, windowCases, deflateFaultCases,
	} {
		area(&l)
	}
	return l.cases
})

// list collects the cases of an area.
type list struct {
	cases []Case
	ids   map[string]bool
}

// rule holds the common properties of a group of cases.
type rule struct {
	dir     Direction // 0 means Both
	section string    // of RFC 6455 unless it begins with "RFC"
	must    string
	fault   string
	needs   need
}

// add adds a case of a rule. It panics on a duplicate name.
func (l *list) add(r rule, id string, size int64, s script) {
	if l.ids == nil {
		l.ids = map[string]bool{}
	}
	if l.ids[id] {
		panic("wstest: two cases are called " + id)
	}
	l.ids[id] = true
	c := Case{
		ID: id, Section: r.section, Requirement: r.must, Fault: r.fault,
		Direction: r.dir, needs: r.needs, size: size, script: s,
	}
	if c.Direction == 0 {
		c.Direction = Both
	}
	if len(c.Section) < 3 || c.Section[:3] != "RFC" {
		c.Section = "RFC 6455, " + c.Section
	}
	l.cases = append(l.cases, c)
}

// Cases returns the cases of which a run in direction d with these options
// consists, in the order of the RFC. Cases about streams need a Transport. The
// error is that of an invalid Filter. The caller owns the slice.
func (o *Options) Cases(d Direction) ([]Case, error) {
	re, err := regexp.Compile(o.Filter)
	if err != nil {
		return nil, fmt.Errorf("wstest: filter: %w", err)
	}
	return slices.DeleteFunc(casesFor(d), func(c Case) bool {
		return !re.MatchString(c.ID) || c.needs&needStream != 0 && o.Transport == nil
	}), nil
}

// skip returns why a case cannot run with the options, or "".
func (c *Case) skip(o *Options) string {
	if o.Transport != nil || o.Serve != nil {
		if why := c.overStream(); why != "" {
			return why
		}
	}
	switch {
	case c.needs&needEcho != 0 && o.NoEcho:
		return "the peer does not echo"
	case c.needs&needLimit != 0 && o.MaxMessage == 0:
		return "the run declares no limit on messages"
	case c.size > o.maxMessage():
		return "the message is larger than the peer's limit"
	}
	return ""
}
