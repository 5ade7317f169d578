package main

import (
	"fmt"
	"strings"

	"github.com/wskit/wskit/websocket/wstest"
)

// markdown returns the page's generated part.
func (p *page) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Run on %s with %s; every agent takes messages of up to %d bytes. ", p.dates(), platform(), p.Limit)
	b.WriteString("A case that fails is run a second time, and the better outcome stands.\n")
	for _, s := range []struct{ side, title, letter string }{{server, "Servers", "S"}, {client, "Clients", "C"}} {
		if rows := p.side(s.side, s.letter); len(rows) > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n", s.title)
			summary(&b, rows)
			areas(&b, rows)
			failures(&b, rows)
			excuses(&b, rows)
		}
	}
	return b.String()
}

// numbered is a row with its short name in the tables.
type numbered struct {
	row
	no string
}

func (p *page) side(side, letter string) (rows []numbered) {
	for _, r := range p.Rows {
		if r.Direction == side {
			rows = append(rows, numbered{r, fmt.Sprint(letter, len(rows)+1)})
		}
	}
	return rows
}

func summary(b *strings.Builder, rows []numbered) {
	b.WriteString("| | agent | version | set up | strict | tolerated | failed | skipped |\n|---|---|---|---|---:|---:|---:|---:|\n")
	for _, r := range rows {
		c := r.Counts
		fmt.Fprintf(b, "| %s | %s | %s | %s | %d | %d | %d | %d |\n",
			r.no, r.Name, r.Version, r.Setup, c.Strict, c.Tolerated, c.Failed, c.Skipped)
	}
}

// areas is the table of areas and agents. The areas are in the order of the
// suite, even if an agent has no case in one.
func areas(b *strings.Builder, rows []numbered) {
	counts := map[string]wstest.Counts{}
	var names []string
	known := map[string]bool{}
	for _, r := range rows {
		for _, res := range r.Results {
			area := area(res.ID)
			if !known[area] {
				known[area] = true
				names = append(names, area)
			}
			c := counts[r.no+area]
			add(&c, res.Verdict)
			counts[r.no+area] = c
		}
	}
	b.WriteString("\nBy area: strict / tolerated / failed / skipped; a number alone is of cases that are all strict.\n\n| area |")
	for _, r := range rows {
		fmt.Fprintf(b, " %s |", r.no)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(rows)) + "\n")
	for _, name := range names {
		fmt.Fprintf(b, "| %s |", name)
		for _, r := range rows {
			fmt.Fprintf(b, " %s |", cell(counts[r.no+name]))
		}
		b.WriteByte('\n')
	}
}

// area is the first part of a case's ID.
func area(id string) string {
	name, _, _ := strings.Cut(id, "/")
	return name
}

func cell(c wstest.Counts) string {
	if c.Tolerated+c.Failed+c.Skipped == 0 {
		return fmt.Sprint(c.Strict)
	}
	return fmt.Sprintf("%d / %d / %d / %d", c.Strict, c.Tolerated, c.Failed, c.Skipped)
}

// failures lists only the IDs of the failed cases.
func failures(b *strings.Builder, rows []numbered) {
	b.WriteString("\n### Failed cases\n")
	for _, r := range rows {
		ids := failedIDs(r.Agent)
		if len(ids) == 0 {
			fmt.Fprintf(b, "\n%s %s: none.\n", r.no, r.Name)
			continue
		}
		fmt.Fprintf(b, "\n<details><summary>%s %s: %d</summary>\n\n%s\n\n</details>\n", r.no, r.Name, len(ids), code(ids))
	}
}

// excuses lists our tolerated cases with the reasons. Agents with the same
// cases and reasons are listed together.
func excuses(b *strings.Builder, rows []numbered) {
	type group struct{ ids, why string }
	agents := map[group][]string{}
	var order []group
	for _, r := range rows {
		if r.ours == nil {
			continue
		}
		for _, g := range reasons(r) {
			key := group{code(g.ids), g.why}
			if agents[key] == nil {
				order = append(order, key)
			}
			agents[key] = append(agents[key], r.no)
		}
	}
	if len(order) == 0 {
		return
	}
	b.WriteString("\n### Tolerated cases of wskit\n\n| agents | reason | cases |\n|---|---|---|\n")
	for _, g := range order {
		fmt.Fprintf(b, "| %s | %s | %s |\n", strings.Join(agents[g], ", "), g.why, g.ids)
	}
}

type reason struct {
	why string
	ids []string
}

// reasons returns the tolerated cases of one of our agents, by reason.
func reasons(r numbered) (list []reason) {
	at := map[string]int{}
	for _, res := range r.Results {
		if res.Verdict != wstest.Tolerated {
			continue
		}
		why, ok := r.ours.Excuse(res.ID)
		if !ok {
			why = "no reason is written down"
		}
		if _, ok := at[why]; !ok {
			at[why] = len(list)
			list = append(list, reason{why: why})
		}
		g := &list[at[why]]
		g.ids = append(g.ids, res.ID)
	}
	return list
}

func code(ids []string) string { return "`" + strings.Join(ids, "`, `") + "`" }
