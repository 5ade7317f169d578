package natsbroker

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSubject(t *testing.T) {
	for topic, want := range map[string]string{
		"prices.eur":    "p.prices.eur",
		"prices.*":      "p.prices.*",
		"prices.>":      "p.prices.>",
		">.prices":      "p.=3E.prices",
		"a b\t\r\n\x00": "p.a=20b=09=0D=0A=00",
		"5*3>=\x7f":     "p.5=2A3=3E=3D=7F",
		"":              "p.=",
		"..a":           "p.=.=.a",
		"€":             "p.€",
	} {
		got, err := subject("p.", topic)
		require.NoError(t, err)
		require.Equal(t, want, got)
		back, ok := topicOf("p.", got)
		require.True(t, ok)
		require.Equal(t, topic, back)
	}
}

func TestSubjectThatIsTooLong(t *testing.T) {
	_, err := subject("p.", strings.Repeat("a", MaxSubject-2))
	require.NoError(t, err)
	for _, topic := range []string{
		strings.Repeat("a", MaxSubject-1),
		strings.Repeat(" ", MaxSubject/2),
		strings.Repeat("topic.", 64<<10/6),
		strings.Repeat(".", 64<<10),
	} {
		_, err := subject("p.", topic)
		require.ErrorIs(t, err, ErrTopic)
	}
}

func TestSubjectsOfOthers(t *testing.T) {
	for _, s := range []string{"q.a", "p.=4", "p.=", "p.a=", "p.=zz", "p.=4g", "p.=.", "p"} {
		topic, ok := topicOf("p.", s)
		if ok {
			again, err := subject("p.", topic)
			require.NoError(t, err)
			require.NotEmpty(t, again)
		}
	}
	_, ok := topicOf("p.", "p.=4")
	require.False(t, ok)
}

func FuzzSubject(f *testing.F) {
	for _, topic := range []string{"prices.eur", "a b", "=", "..", "*.>", "\xff\x00"} {
		f.Add(topic)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		s, err := subject("p.", topic)
		if err != nil {
			return
		}
		require.NotContains(t, s, "..")
		require.False(t, strings.ContainsAny(s, " \t\r\n\x00"))
		back, ok := topicOf("p.", s)
		require.True(t, ok)
		require.Equal(t, topic, back)
	})
}
