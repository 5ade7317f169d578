package wstest

import "testing"

// TestServer runs the suite against a server as RunServer does, with a subtest
// for each case. A failed case fails its subtest, and a tolerated case is
// logged.
func TestServer(t *testing.T, url string, o *Options) *Report {
	t.Helper()
	r, err := RunServer(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	subtests(t, r)
	return r
}

// TestClient is TestServer for a client: see RunClient.
func TestClient(t *testing.T, start func(url string) error, o *Options) *Report {
	t.Helper()
	r, err := RunClient(t.Context(), start, o)
	if err != nil {
		t.Fatal(err)
	}
	subtests(t, r)
	return r
}

func subtests(t *testing.T, r *Report) {
	t.Helper()
	for _, res := range r.Agents[0].Results {
		t.Run(res.ID, func(t *testing.T) {
			switch res.Verdict {
			case Skipped:
				t.Skip(res.Detail)
			case Tolerated:
				t.Log("tolerated: " + res.Detail)
			case Failed:
				t.Errorf("%s\n%s: %s\nthe fault: %s\n%s", res.Detail, res.Section, res.Requirement, res.Fault, transcript(res.Wire))
			}
		})
	}
}
