package wstest

import (
	"regexp"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

func quick(filter string) *Options {
	return &Options{Filter: filter, Timeout: 3 * time.Second, Quiet: 250 * time.Millisecond, MaxMessage: twinLimit, Parallel: 32}
}

// patient is for the twins without a fault, which never make the suite wait.
func patient() *Options {
	o := &Options{Timeout: 2 * time.Minute, Quiet: 5 * time.Second, MaxMessage: twinLimit}
	if race.Enabled { // a sample of what takes long there
		o.Filter = `^([a-ce-rt-v]|deflate/[^s]|window/server-(8|default)/client-[89d])`
	}
	return o
}

// wantStrict names the cases that are not strict.
func wantStrict(t *testing.T, r *Report, skippedToo, heartbeat bool) {
	t.Helper()
	for _, res := range r.Agents[0].Results {
		switch {
		case res.Verdict == Strict:
		case res.Verdict == Tolerated && res.ID == "pong/unsolicited/0" && heartbeat: // its payload is that of a heartbeat
		case res.Verdict == Skipped && (res.Detail == "the message is larger than the peer's limit" || !skippedToo):
		default:
			t.Errorf("%s is %v: %s\n%s", res.ID, res.Verdict, res.Detail, transcript(res.Wire))
		}
	}
}

// askServer runs the suite against a twin in a bubble, where no time is waited.
func askServer(t *testing.T, fault string, o *Options) (r *Report) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen(nil)
		done := make(chan struct{})
		go func() { defer close(done); serveTwins(l, fault, twinLimit) }()
		defer func() { l.Close(); <-done }()
		o.Dial = l.DialContext
		var err error
		r, err = RunServer(t.Context(), "ws://twin.example/chat", o)
		require.NoError(t, err)
	})
	return r
}

// askClient is askServer for a client.
func askClient(t *testing.T, fault string, o *Options) (r *Report) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen(nil)
		o.Listener = l
		var err error
		r, err = RunClient(t.Context(), twinClient(fault, twinLimit, &Options{Dial: l.DialContext}), o)
		require.NoError(t, err)
	})
	return r
}

// A twin without a fault is strict in all cases, and so is one that sends pongs
// now and then that nobody has asked for (RFC 6455, section 5.5.3).
func TestFaultlessServer(t *testing.T) {
	for _, fault := range []string{"", "heartbeat"} {
		if race.Enabled && fault != "" {
			continue
		}
		t.Run(fault, func(t *testing.T) {
			r := askServer(t, fault, patient())
			wantStrict(t, r, true, fault != "")
			require.Greater(t, r.Agents[0].Counts.Strict, 1000)
		})
	}
}

func TestFaultlessClient(t *testing.T) {
	for _, fault := range []string{"", "heartbeat"} {
		if race.Enabled && fault != "" {
			continue
		}
		t.Run(fault, func(t *testing.T) {
			r := askClient(t, fault, patient())
			wantStrict(t, r, false, fault != "")
			require.Greater(t, r.Agents[0].Counts.Strict, 1000)
		})
	}
}

// mutant is one fault and the cases that have to catch it, each one of them.
type mutant struct {
	fault   string
	cases   string // a regular expression on IDs
	verdict Verdict
}

var frameMutants = []mutant{
	{"little-endian", `^length/text/(127|256|65534)$`, Failed},
	{"truncates-length", `^length/declared/(text|binary)-100000005$`, Failed},
	{"takes-not-minimal", `^length/not-minimal/[^c]`, Failed},
	{"ignores-top-bit", `^length/top-bit/.*-800000000000000[015]$`, Failed},
	{"sends-not-minimal", `^length/(text|binary)/125$|^ping/payload/125$`, Failed},
	{"wrong-mask-side", `^length/text/5?[01]$|^ping/payload/5$`, Failed},
	{"ignores-rsv1", `^rsv/100/([^c]|con)`, Failed},
	{"ignores-rsv2", `^rsv/010/([^c]|con)`, Failed},
	{"ignores-rsv3", `^rsv/001/([^c]|con)|^deflate/rsv/bits-101`, Failed},
	{"ignores-rsv-of-control", `^rsv/\d+/p|^deflate/rsv/p[io]ng-\d+$`, Failed},
	{"ignores-rsv-of-continuation", `^rsv/\d+/continuation|^deflate/rsv/(late|continuation)`, Failed},
	{"sends-rsv2", `^length/text/1$|^fragment/text/2-by-0$`, Failed},
	{"takes-reserved-data", `^opcode/[3-7]/(empty|payload|126|not-final|second)`, Failed},
	{"takes-reserved-control", `^opcode/[B-F]/(empty|payload|in-message|second)`, Failed},
	{"takes-orphan", `^fragment/no-start/`, Failed},
	{"takes-nested", `^fragment/nested/`, Failed},
	{"takes-fragmented-control", `^fragment/control/p[io]ng-\d+$`, Failed},
	{"ignores-rsv2", `^rsv/010/close-2$`, Tolerated}, // the connection ends, if for another reason
	{"takes-not-minimal", `^length/not-minimal/close`, Tolerated},
	{"takes-long-control", `^control/too-long/`, Failed},
	{"echoes-fragments", `^fragment/(text|binary|length)/|^fragment/(middle-empty|single-bytes)/|^utf8/cut/\d+(-ping)?$`, Failed},
	{"empty-fragment-ends", `^fragment/(first|all|many)-empty/`, Failed},
	{"control-breaks-message", `^interleave/p[io]ngs?/`, Failed},
	{"pong-after-message", `^interleave/pings?/`, Failed},
	{"no-pong", `^ping/payload/\d+$`, Failed},
	{"empty-pong", `^ping/payload/(1|5|125)$`, Failed},
	{"cuts-pong", `^ping/payload/125$`, Failed},
	{"pong-as-text", `^ping/(payload/\d+|between-messages)$`, Failed},
	{"loses-pongs", `^ping/many/(10|100)$`, Tolerated},
	{"answers-pongs", `^pong/unsolicited/(5|124|125|many)$`, Failed},
	{"swaps-types", `^length/(text|binary)/\d+$`, Failed},
	{"cuts-large", `^length/(text|binary)/(65537|131072)$`, Failed},
	{"trims-text", `^utf8/valid/U\+0000$`, Failed},
	{"limit-off-by-one", `^limit/exact`, Failed},
	{"limits-frames", `^limit/over-(many-)?fragments$`, Failed},
	{"limits-connection", `^limit/again$|^size/many/500-of-1000$`, Failed},
	{"limits-text", `^limit/over-(binary|by-far)$`, Failed},
	{"loses-the-second-of-a-read", `^length/burst/(10|100)$`, Failed},
	{"shares-buffer", `^length/burst/`, Failed},
	{"stale-pong", `^ping/shorter$`, Failed},
	{"tires-of-pings", `^ping/many/1000$`, Failed},
	{"ignores-empty-end", `^fragment/(last|all)-empty/`, Failed},
	{"takes-nested-after-control", `^fragment/nested/.*-behind-`, Failed},
	{"ignores-mask-of-empty", `^mask/(un)?masked/(text|binary|ping|pong)-empty$`, Failed},
	{"no-limit", `^limit/over(-fragments|-by-far)?$`, Failed},
	{"ignores-top-bit", `^length/top-bit/(.*-(8000000100000000|ffffffffffffffff)|continuation)$`, Tolerated}, // too large without it
	{"no-limit", `^length/declared/`, Tolerated},
	{"limit-at-end", `^limit/over-(at-header|by-far)$`, Failed},
	{"frame-in-one-read", `^length/(split|pieces)/|^ping/by-byte|^fragment/(text|binary)/(2|10|100)-by-[17]$`, Failed},
	{"frame-in-one-read", `^close/body/by-byte$`, Tolerated},
	{"ignores-mask", `^mask/(un)?masked/close`, Tolerated},
	{"ignores-all-rsv", `^rsv/\d+/([^c]|con)|^deflate/rsv/(bits-1|empty|late|p[io]ng)`, Failed},
	{"ignores-all-rsv", `^rsv/\d+/close|^deflate/rsv/(close|bits-0)`, Tolerated},
	{"skips-reserved", `^opcode/`, Failed},
	{"continues-control", `^fragment/control/p`, Failed},
	{"takes-fragmented-control", `^fragment/control/close`, Tolerated},
	{"type-stays", `^fragment/sequence$`, Failed},
	{"cuts-at-32k", `^size/(text|binary)/`, Failed},
	{"tires-of-messages", `^size/many/`, Failed},
	{"control-must-be-text", `^(ping/payload|pong/unsolicited)/not-utf8$`, Failed},
	{"pong-ends-at-0", `^ping/payload/zeros$`, Failed},
	{"answers-the-last-ping", `^ping/many/`, Tolerated},
	{"bounds-fragments", `^size/(text|binary)/65536-in-1-by-0$`, Tolerated},
	{"answers-pongs", `^pong/unsolicited/([01]|not-utf8)$`, Tolerated},
}

var textMutants = []mutant{
	{"takes-all-text", `^utf8/(invalid|late|early|then-invalid)/|^utf8/cut/\d+-(then|end|two)`, Failed},
	{"utf8-per-fragment", `^utf8/cut/(2|4|5|7|8|9)$`, Failed},
	{"utf8-only-at-end", `^utf8/fail-fast/`, Tolerated},
	{"takes-surrogates", `^utf8/invalid/surrogate/d800$`, Failed},
	{"takes-overlong", `^utf8/invalid/overlong/slash-2$`, Failed},
	{"takes-beyond", `^utf8/invalid/beyond/110000$`, Failed},
	{"takes-cut-text", `^utf8/invalid/short/.*-\d$|^utf8/cut/\d+-end$`, Failed},
	{"refuses-noncharacters", `^utf8/valid/U\+FFF[EF](/|$)`, Failed},
	{"utf8-in-binary", `^utf8/binary/|^deflate/text/binary$`, Failed},
	{"stale-text-check", `^utf8/then-invalid/text-`, Failed},
	{"control-restarts-text", `^utf8/cut/(2|4|5|7|8|9)-ping$`, Failed},
	{"no-look-at-inflated-text", `^deflate/text/(never|late|short|surrogate|lonely|overlong|beyond|early)`, Failed},
	{"utf8-state-stays", `^utf8/then-valid/`, Failed},
	{"ascii-only", `^utf8/valid/([a-z]|U\+(0[1-9a-fA-F]|00[8-9A-F]|[1-9A-F]))`, Failed},
	{"refuses-controls", `^utf8/valid/U\+00([01]|7F|80)`, Failed},
}

var closeMutants = []mutant{
	{"swaps-code", `^close/code/(1000|1001|3000)$`, Failed},
	{"echoes-after-close", `^close/after/10-of-10$`, Failed},
	{"no-close-answer", `^close/code/1000(-reason)?$|^close/body/`, Failed},
	{"drops-silently", `^rsv/100/text-5$|^utf8/invalid/never/ff$`, Tolerated},
	{"always-closes-with-1000", `^close/code/(1001|1002|1003|10(0[7-9]|1[0-4])|[34]\d{3})(-reason)?$`, Tolerated},
	{"takes-unsendable-codes", `^close/code/(1005|1006|1015)(-reason)?$`, Failed},
	{"takes-undefined-codes", `^close/code/(101[67]|1100|1999|2\d{3})$`, Failed},
	{"takes-1004", `^close/code/1004$`, Failed},
	{"takes-codes-under-1000", `^close/code/\d{1,3}$`, Failed},
	{"takes-codes-over-4999", `^close/code/([5-9]\d{3}|\d{5})$`, Failed},
	{"refuses-new-codes", `^close/code/101[234]`, Tolerated},
	{"refuses-3xxx", `^close/code/3\d{3}$`, Tolerated},
	{"refuses-4999", `^close/code/4999$`, Tolerated},
	{"refuses-empty-close", `^close/body/empty$`, Tolerated},
	{"no-reasons", `^close/body/(reason-123|longest-utf8)$`, Tolerated},
	{"takes-one-byte-close", `^close/body/one-byte`, Failed},
	{"bare-close", `^close/code/1000$`, Failed},
	{"takes-bad-reason", `^close/reason/`, Failed},
	{"processes-after-close", `^close/then/([^p]|ping)`, Failed},
	{"close-overtakes", `^close/after/\d+-of-`, Tolerated},
	{"close-in-message-ignored", `^interleave/close/`, Failed},
	{"no-pong", `^close/after/ping$`, Tolerated},
	{"keeps-open", `^close/hang-up/`, Failed},
	{"keeps-half-open", `^close/abandoned/`, Failed},
}

var deflateMutants = []mutant{
	{"forgets-rsv1", `^deflate/(size|block)/`, Failed},
	{"leaves-tail", `^window/server-9/client-9/takeover-both$`, Failed},
	{"compresses-over-window", `^window/server-(8|9|10|11)/client-(8|9|10|11)/`, Failed},
	{"keeps-window", `^window/server-12/client-12/takeover-none$`, Failed},
	{"forgets-window", `^window/server-\d+/client-\d+/takeover-both$`, Failed},
	{"small-window", `^window/`, Failed},
	{"plain-enters-window", `^deflate/plain/not-in-window$`, Failed},
	{"bfinal-is-the-end", `^deflate/block/final`, Failed},
	{"delivers-bad-data", `^deflate/data/[^n]`, Failed},
	{"rsv1-stays", `^deflate/plain/between$`, Failed},
	{"window-less-one", `^window/server-(9|10)/client-(9|10)/takeover-both$`, Failed},
	{"empty-clears-window", `^deflate/takeover/empty$`, Failed},
	{"compresses-empty-to-nothing", `^deflate/size/(text|binary)-0$|^deflate/plain/0$`, Failed},
	{"close-in-compressed-ignored", `^deflate/fragment/close$`, Failed},
	{"limits-single-frames", `^deflate/bomb/in-fragments$`, Failed},
	{"limits-compressed", `^deflate/bomb/(one-more|10-times)$`, Failed},
	{"forgets-window", `^deflate/takeover/`, Failed},
	{"rsv1-of-the-last-frame", `^deflate/fragment/[^c]|^deflate/fragment/character`, Failed},
	{"inflates-all", `^deflate/plain/(5|126|70000)$`, Failed},
	{"keeps-received-window", `^deflate/data/no-takeover$`, Tolerated},
	{"utf8-of-compressed", `^deflate/text/(words|combining|byte-order-mark|replacement|flags)$`, Failed},
	{"limits-ratio", `^deflate/bomb/exact$`, Failed},
}

var serverMutants = []mutant{
	{"ignores-mask", `^mask/unmasked/([^c]|con)`, Failed},
	{"mask-goes-on", `^fragment/text/(3|100)-by-(1|7)$`, Failed},
	{"mask-by-words", `^mask/key/01020304-(67|1000)$`, Failed},
	{"any-method", `^request/method/`, Failed},
	{"any-http-version", `^request/http/(1\.[0x]|0\.9|11?)$`, Failed},
	{"no-host", `^request/host/`, Failed},
	{"no-upgrade-check", `^request/upgrade/`, Failed},
	{"no-connection-check", `^request/connection/`, Failed},
	{"connection-substring", `^request/connection/wrong-(suffix|prefix)$`, Failed},
	{"connection-whole", `^request/good/connection-(list|two-lines)`, Failed},
	{"connection-case", `^request/good/connection-(lower|upper)$`, Failed},
	{"no-key-check", `^request/key/(missing|wrong|twice)`, Failed},
	{"takes-two-keys", `^request/key/twice`, Failed},
	{"no-version-check", `^request/version/`, Failed},
	{"no-version-in-refusal", `^request/version/(8|missing)$`, Tolerated},
	{"takes-bare-lf", `^request/head/bare-lf$`, Tolerated},
	{"constant-accept", `^request/key/good-[^r]`, Failed},
	{"no-upgrade-in-answer", `^request/good/plain$|^request/key/good-rfc-sample$`, Failed},
	{"always-a-subprotocol", `^request/good/plain$|^request/subprotocol/`, Failed},
	{"echoes-subprotocols", `^request/subprotocol/(two|many)$`, Failed},
	{"echoes-extensions", `^request/extension/[^m]|^deflate/offer/(fallback|two-good|twice)`, Failed},
	{"loses-early-frames", `^request/good/frame-behind$`, Tolerated},
	{"body-as-frames", `^request/body/`, Failed},
	{"takes-bad-params", `^deflate/offer/(bad-|no-value)`, Failed},
	{"leaves-server-bits-away", `^deflate/offer/good-(server-bits-([89]|1[0-4]|quoted-12)|client-bits-server-bits-10-.*|(no|more)-spaces)$`, Failed},
	{"leaves-takeover-away", `^deflate/offer/good-server-no-takeover$`, Failed},
	{"shrinks-client-unasked", `^deflate/offer/good-(plain|(server-no-takeover-?)?(client-no-takeover-?)?(server-bits-15)?)$`, Failed},
	{"mask-begins-with-0", `^mask/key/0000`, Failed},
	{"forgets-to-unmask", `^mask/key/(ff|01|20)`, Failed},
	{"upgrade-case", `^request/good/upgrade-`, Failed},
	{"names-case", `^request/good/names-`, Failed},
	{"fields-in-order", `^request/good/order-reversed$`, Failed},
	{"no-trim", `^request/good/spaces-around-values$`, Failed},
	{"knows-few-fields", `^request/good/((unknown|empty|long|many)-field|cookie|utf8-value|user-agent|same-origin)`, Failed},
	{"paths-alone", `^request/good/(query|absolute-target)$`, Failed},
	{"head-in-one-read", `^request/good/pieces-`, Failed},
	{"takes-malformed-lists", `^request/extension/malformed-`, Tolerated},
	{"any-http-version", `^request/http/2\.0$`, Tolerated},
	{"any-protocol", `^request/http/([^2]|$)`, Failed},
	{"lenient-head", `^request/head/(bare-cr|no-|sp|space|control|relative|garbage)`, Failed},
	{"lenient-head", `^request/head/(bare-lf|folded|nul)`, Tolerated},
	{"endless-head", `^request/head/endless-`, Tolerated},
	{"answers-without-value", `^deflate/offer/good-(.*client-bits|(no|more)-spaces)`, Failed},
	{"leaves-server-bits-away", `^deflate/offer/good-server-bits-15$|^window/server-15/client-9/`, Tolerated},
}

var clientMutants = []mutant{
	{"ignores-mask", `^mask/masked/([^c]|con)`, Failed},
	{"same-mask", `^mask/client-keys$`, Failed},
	{"short-key", `^client/request$`, Failed},
	{"old-version", `^client/request$`, Failed},
	{"sends-early", `^client/early-frames$`, Failed},
	{"any-status", `^response/(status/|line/[^h])`, Failed},
	{"no-upgrade-check", `^response/upgrade/`, Failed},
	{"no-connection-check", `^response/connection/`, Failed},
	{"takes-interim", `^response/interim/`, Tolerated},
	{"no-accept-check", `^response/accept/([^t]|twice-[fs]\w+-wrong)`, Failed},
	{"accept-begins", `^response/accept/(cut|unpadded)$`, Failed},
	{"accept-case", `^response/accept/lower$`, Failed},
	{"any-subprotocol", `^response/subprotocol/`, Failed},
	{"any-extension", `^response/extension/|^deflate/answer/twice`, Failed},
	{"loses-early-frames", `^response/good/frame-behind$`, Failed},
	{"takes-bad-params", `^deflate/answer/(bad|no-value)`, Failed},
	{"compares-accept-with-key", `^response/good/plain$`, Failed},
	{"upgrade-case", `^response/good/upgrade-`, Failed},
	{"connection-case", `^response/good/connection-(lower|upper)$`, Failed},
	{"connection-whole", `^response/good/connection-(list|two)`, Failed},
	{"names-case", `^response/good/names-`, Failed},
	{"fields-in-order", `^response/good/order-reversed$`, Failed},
	{"compares-reason", `^response/good/(another|empty)-reason$`, Failed},
	{"knows-few-fields", `^response/good/(unknown|long)-field$|^response/good/(date|cookie)`, Failed},
	{"no-trim", `^response/good/spaces$`, Failed},
	{"head-in-one-read", `^response/good/pieces-`, Failed},
	{"any-status", `^response/line/http-1.0$`, Tolerated},
	{"no-accept-check", `^response/accept/twice-same$`, Tolerated},
	{"lenient-head", `^response/head/no-colon$`, Failed},
	{"lenient-head", `^response/head/(bare-lf|folded|nul|space-before-colon|no-name)$`, Tolerated},
	{"endless-head", `^response/head/endless$`, Tolerated},
	{"keeps-half-open", `^response/head/cut$`, Failed},
	{"takes-client-bits", `^deflate/answer/client-bits-not-offered$`, Failed},
}

func TestFaultyServers(t *testing.T) {
	testMutants(t, Server, slices.Concat(frameMutants, textMutants, closeMutants, deflateMutants, serverMutants), askServer)
}

func TestFaultyClients(t *testing.T) {
	testMutants(t, Client, slices.Concat(frameMutants, textMutants, closeMutants, deflateMutants, clientMutants), askClient)
}

// beyondMutants are the cases that no faulty twin is caught by, and why.
var beyondMutants = []struct{ cases, why string }{
	{`^size/(text|binary)/(262144|1048576|4194304|16777216)-|^size/unicode/|^close/after/large$|^deflate/size/4194304$`,
		"larger than the twins' limit; the smaller sizes have the same script"},
	{`^deflate/bomb/100-times$`, "10-times with more bytes, which take seconds to inflate"},
	{`^stream/`, "they need a stream: TestFaultyStreams"},
	{`^close/then/pong$`, "a pong has no effect by which one that is processed could be told"},
	{`^deflate/rsv/(no-start|reserved-opcode)$`, "two faults in one frame: to keep one rule is to fail the connection"},
}

// testMutants runs the suite against many faulty peers. Each case of this side
// has to catch one at least.
func testMutants(t *testing.T, d Direction, list []mutant, ask func(*testing.T, string, *Options) *Report) {
	if race.Enabled {
		t.Skip("the suite runs against a faultless peer, and this takes long")
	}
	var mu sync.Mutex
	found := map[string]bool{}
	n := 0
	t.Run("faults", func(t *testing.T) {
		for _, m := range list {
			t.Run(m.fault, func(t *testing.T) {
				t.Parallel()
				r := ask(t, m.fault, quick(m.cases))
				caught(t, m, r)
				mu.Lock()
				defer mu.Unlock()
				n++
				for _, res := range r.Agents[0].Results {
					found[res.ID] = found[res.ID] || res.Verdict != Skipped
				}
			})
		}
	})
	if n < len(list) {
		return // -run has chosen some
	}
	for _, c := range casesFor(d) {
		excused := slices.ContainsFunc(beyondMutants, func(b struct{ cases, why string }) bool {
			return regexp.MustCompile(b.cases).MatchString(c.ID)
		})
		if found[c.ID] == excused {
			t.Errorf("%s catches a fault: %v, and is listed as one that does not: %v", c.ID, found[c.ID], excused)
		}
	}
}

// caught asks that each of the cases has the verdict that the fault should get.
func caught(t *testing.T, m mutant, r *Report) {
	n := 0
	for _, res := range r.Agents[0].Results {
		if res.Verdict == Skipped {
			continue
		}
		n++
		if res.Verdict != m.verdict {
			t.Errorf("%s is %v, not %v: %s\n%s", res.ID, res.Verdict, m.verdict, res.Detail, transcript(res.Wire))
		}
	}
	require.NotZero(t, n, "no case ran")
}

func TestCaseTable(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*(/[A-Za-z0-9.+_-]+)+$`)
	for _, c := range Cases() {
		require.Regexp(t, form, c.ID)
		require.NotEmpty(t, c.Requirement, c.ID)
		require.NotEmpty(t, c.Fault, c.ID)
		require.Regexp(t, `^RFC \d+, \d`, c.Section, c.ID)
	}
	require.Greater(t, len(ServerCases()), 1500)
	require.Greater(t, len(ClientCases()), 1400)
}
