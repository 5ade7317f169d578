package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// A kind generates pieces of one kind of message. A message consists of
// consecutive pieces.
type kind struct {
	name   string
	weight int    // weight in the corpus
	open   string // begins a message
	next   string // separates two pieces
	make   func(*words) string
}

// kinds are mostly JSON, like most messages.
var kinds = []kind{
	{"rest", 3, `{"data":[`, ",", restObject},
	{"rpc", 3, "", "", rpcCall},
	{"chat", 3, "", "", chatEvent},
	{"book", 3, `{"channel":"l2","rows":[`, ",", bookRow},
	{"fill", 3, "", "", fill},
	{"candle", 3, "[", ",", candle},
	{"vehicle", 3, `{"type":"positions","list":[`, ",", vehicle},
	{"score", 3, "[", ",", score},
	{"telemetry", 3, `{"v":1,"points":[`, ",", telemetry},
	{"vitals", 3, "", "\n", vitals},
	{"presence", 2, "[", ",", presence},
	{"geo", 2, `{"type":"FeatureCollection","features":[`, ",", feature},
	{"pretty", 2, "[\n", ",\n", prettyObject},
	{"graphql", 3, `{"data":{"nodes":[`, ",", graphNode},
	{"foreign", 2, `{"messages":[`, ",", foreign},
	{"html", 2, "", "\n", htmlRow},
	{"svg", 1, "<svg>", "\n", svgPath},
	{"prose", 3, "", " ", sentence},
	{"markdown", 2, "", "\n\n", markdown},
	{"log", 2, "", "\n", logLine},
	{"code", 2, "", "\n", codeLine},
	{"cyrillic", 1, "", " ", cyrillic},
	{"binary", 1, "", "", binaryRecord},
}

// words generates the random parts of pieces.
type words struct {
	*rand.Rand
	n int // pieces made
}

const common = `the of and to in is you that it he was for on are as with his they at be this have from or one had by
word but not what all were we when your can said there use an each which she do how their if will up other about out
many then them these so some her would make like him into time has look two more write go see number no way could people
my than first water been call who oil its now find long down day did get come made may part over new sound take only
little work know place year live me back give most very after thing our just name good sentence man think say great where
help through much before line right too mean old any same tell boy follow came want show also around form three small set
put end does another well large must big even such because turn here why ask went men read need land different home us
move try kind hand picture again change off play spell air away animal house point page letter mother answer found study
still learn should world high every near add food between own below country plant last school father keep tree never
start city earth eye light thought head under story saw left few while along might close something seem next hard open
example begin life always those both paper together got group often run important until children side feet car mile`

var (
	dictionary = strings.Fields(common)
	keys       = strings.Fields(`id name type status created_at updated_at url title description count total items user userId
		email price value key data message channel event action state version label enabled active color width height
		index parent children owner category tags createdAt updatedAt source target amount currency`)
	names   = strings.Fields("José Zoë Łukasz Jürgen Anna Ben Carla David Elena Farid Grace Hiro Ines Jonas Kemal Lena Mateo Nadia Omar Priya Quinn Rosa Sven Tariq")
	actions = strings.Fields("subscribe unsubscribe update insert delete ping join leave notify publish ack")
	states  = strings.Fields("active pending closed open done failed running queued ok error")
)

func pick(w *words, from []string) string { return from[w.IntN(len(from))] }

// word returns a random word. Common words are more frequent.
func (w *words) word() string {
	f := w.Float64()
	return dictionary[int(f*f*float64(len(dictionary)))]
}

func (w *words) text(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = w.word()
	}
	return strings.Join(all, " ")
}

func (w *words) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.Uint32())
	}
	return hex.EncodeToString(b)
}

func (w *words) uuid() string {
	h := w.hex(16)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (w *words) date() string {
	return fmt.Sprintf("20%02d-%02d-%02dT%02d:%02d:%02d.%03dZ", 18+w.IntN(10), 1+w.IntN(12), 1+w.IntN(28),
		w.IntN(24), w.IntN(60), w.IntN(60), w.IntN(1000))
}

func (w *words) value() string {
	switch w.IntN(8) {
	case 0, 1:
		return fmt.Sprint(w.IntN(1 << (1 + w.IntN(20))))
	case 2:
		return fmt.Sprintf("%.2f", w.Float64()*1000)
	case 3:
		return pick(w, []string{"true", "false", "null"})
	case 4:
		return `"` + pick(w, states) + `"`
	case 5:
		return `"` + w.date() + `"`
	default:
		return `"` + w.text(1+w.IntN(5)) + `"`
	}
}

func restObject(w *words) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":%d`, 1000+w.IntN(90000))
	at := w.IntN(len(keys))
	for i := range 3 + w.IntN(8) {
		fmt.Fprintf(&b, `,"%s":%s`, keys[(at+i)%len(keys)], w.value())
	}
	return b.String() + "}"
}

func rpcCall(w *words) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"%s.%s","params":{"%s":%s,"%s":%s}}`,
		w.n, pick(w, keys), pick(w, actions), pick(w, keys), w.value(), pick(w, keys), w.value())
}

func chatEvent(w *words) string {
	return fmt.Sprintf(`{"event":"message","room":"%s-%d","from":{"id":"%s","name":"%s"},"body":"%s","at":"%s"}`,
		w.word(), w.IntN(50), w.hex(6), pick(w, names), sentence(w), w.date())
}

func bookRow(w *words) string {
	return fmt.Sprintf(`["%s","%.4f","%.3f",%d]`, pick(w, []string{"buy", "sell"}),
		30000+w.Float64()*100, w.ExpFloat64()*3, 1700000000000+int64(w.n*37+w.IntN(30)))
}

func telemetry(w *words) string {
	return fmt.Sprintf(`{"sensor":"s%03d","t":%d,"temp":%.1f,"hum":%.2f,"ok":%t}`, w.IntN(200),
		1700000000+w.n, 20+w.NormFloat64()*5, w.Float64()*100, w.IntN(9) > 0)
}

func presence(w *words) string {
	return fmt.Sprintf(`{"uid":"%s","online":%t,"x":%d,"y":%d,"since":%d}`, w.uuid(), w.IntN(2) == 0,
		w.IntN(1920), w.IntN(1080), 1690000000+w.IntN(9000000))
}

func feature(w *words) string {
	return fmt.Sprintf(`{"type":"Feature","properties":{"name":"%s","speed":%d},"geometry":{"type":"Point","coordinates":[%.6f,%.6f]}}`,
		w.text(2), w.IntN(130), w.Float64()*360-180, w.Float64()*180-90)
}

func prettyObject(w *words) string {
	return fmt.Sprintf("  {\n    \"%s\": %s,\n    \"%s\": %s,\n    \"%s\": [%d, %d]\n  }",
		pick(w, keys), w.value(), pick(w, keys), w.value(), pick(w, keys), w.IntN(100), w.IntN(1000))
}

func graphNode(w *words) string {
	return fmt.Sprintf(`{"node":{"__typename":"%s","id":"%s","title":"%s","author":{"login":"%s%d"},"stars":%d}}`,
		pick(w, []string{"Issue", "PullRequest", "Commit"}), w.hex(8), w.text(3+w.IntN(6)), strings.ToLower(pick(w, names)),
		w.IntN(100), w.IntN(5000))
}

func fill(w *words) string {
	return fmt.Sprintf(`{"e":"fill","c":"%c%c%c-USD","p":"%d.%02d","q":"%.3f","m":%t,"T":%d}`, 'A'+w.IntN(26), 'A'+w.IntN(26), 'A'+w.IntN(26),
		10+w.IntN(5000), w.IntN(100), w.ExpFloat64()*10, w.IntN(2) == 0, 1680000000000+int64(w.n*211+w.IntN(200)))
}

func candle(w *words) string {
	open := math.Exp(w.Float64() * 9)
	at := func() float64 { return open * (1 + 0.01*w.NormFloat64()) }
	return fmt.Sprintf(`{"s":"%s","o":%.2f,"h":%.2f,"l":%.2f,"c":%.2f,"v":%d,"n":%d,"start":%d}`,
		strings.ToUpper(w.word()), open, at(), at(), at(), w.IntN(1<<20), w.IntN(2000), 1712000000000+int64(w.n/20*60000))
}

func vehicle(w *words) string {
	return fmt.Sprintf(`{"vehicle":"%s","route":"%d","lat":%.5f,"lon":%.5f,"bearing":%d,"speed":%.1f,"updated":%d,"stop":"%s"}`,
		w.hex(2), w.IntN(90), 52+w.NormFloat64()/9, 13+w.NormFloat64()/9, w.IntN(360), w.Float64()*60,
		1711000000+w.n/3, pick(w, states))
}

func score(w *words) string {
	return fmt.Sprintf(`{"match":%d,"home":"%s","away":"%s","score":[%d,%d],"minute":%d,"odds":{"1":%.2f,"X":%.2f,"2":%.2f}}`,
		880000+w.IntN(60), pick(w, names), pick(w, names), w.IntN(6), w.IntN(6), w.IntN(90),
		1+w.ExpFloat64()*2, 2+w.ExpFloat64()*2, 1+w.ExpFloat64()*3)
}

func vitals(w *words) string {
	return fmt.Sprintf(`{"host":"node-%d","cpu":%.3f,"mem":%d,"disk":{"read":%d,"write":%d},"load":[%.2f,%.2f,%.2f],"time":"%s"}`,
		w.IntN(40), w.Float64(), w.Int64N(1<<33), w.IntN(1<<20), w.IntN(1<<20), w.Float64()*4, w.Float64()*4, w.Float64()*4, w.date())
}

func htmlRow(w *words) string {
	return fmt.Sprintf(`<div class="row %s" id="r%d"><a href="/%s/%d">%s</a><span>%s</span></div>`, w.word(), w.n,
		w.word(), w.IntN(9000), w.text(1+w.IntN(4)), sentence(w))
}

func svgPath(w *words) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<path fill="#%s" d="M%d %d`, w.hex(3), w.IntN(800), w.IntN(600))
	for range 4 + w.IntN(8) {
		fmt.Fprintf(&b, "L%.1f %.1f", w.Float64()*800, w.Float64()*600)
	}
	return b.String() + `Z"/>`
}

// sentence occasionally contains non-ASCII characters, like most texts.
func sentence(w *words) string {
	s := w.text(4 + w.IntN(12))
	if w.IntN(6) == 0 {
		s += pick(w, []string{" – ", " “", " ’", " é", " ü", " ñ", " … ", " 🙂 ", " → ", " á", " ö"}) + w.text(2)
	}
	if w.IntN(5) == 0 {
		s += fmt.Sprintf(" (%s %d)", w.word(), w.IntN(1<<w.IntN(12)))
	}
	if w.IntN(4) == 0 {
		s += " " + strings.ToUpper(w.letters(latinLetters[:24], 2+w.IntN(4))) + " `" + w.letters(latinLetters[:26], 3+w.IntN(9)) + "`"
	}
	if w.IntN(3) == 0 {
		s += ", " + w.text(3+w.IntN(6))
	}
	return strings.ToUpper(s[:1]) + s[1:] + pick(w, []string{".", ".", ".", "?", "!"})
}

func markdown(w *words) string {
	switch w.IntN(3) {
	case 0:
		return "## " + w.text(3)
	case 1:
		return "- **" + w.word() + "**: " + sentence(w) + "\n- `" + w.word() + "()` " + sentence(w)
	}
	return sentence(w) + " " + sentence(w) + " [" + w.word() + "](https://example.org/" + w.word() + ")"
}

func logLine(w *words) string {
	return fmt.Sprintf("%s %s [%s] %s %s=%d %s=%s", w.date(), pick(w, []string{"INFO", "WARN", "DEBUG", "ERROR"}),
		pick(w, keys), w.text(2+w.IntN(6)), pick(w, keys), w.IntN(10000), pick(w, keys), w.word())
}

func codeLine(w *words) string {
	switch w.IntN(6) {
	case 4:
		return fmt.Sprintf("\tif err := %s.%s(%s); err != nil {\n\t\treturn nil, err\n\t}", w.word(), w.letters(latinLetters[:26], 8), w.word())
	case 5:
		return fmt.Sprintf("\t// %s\n\t%s := %s[%d] + 0x%x", sentence(w), w.word(), w.letters(latinLetters[:26], 6), w.IntN(64), w.IntN(1<<12))
	case 0:
		return fmt.Sprintf("function %s(%s, %s) {\n  return %s.%s(%d);\n}", w.word(), w.word(), w.word(), w.word(), w.word(), w.IntN(100))
	case 1:
		return fmt.Sprintf("  const %s = await %s.%s(\"%s\");", w.word(), w.word(), w.word(), w.text(2))
	case 2:
		return fmt.Sprintf("  if (%s.%s === %d) { %s(); }", w.word(), w.word(), w.IntN(20), w.word())
	}
	return fmt.Sprintf(".%s-%s { color: #%s; margin: %dpx %dpx; }", w.word(), w.word(), w.hex(3), w.IntN(30), w.IntN(30))
}

// letters returns a word of n letters. The first letters of the alphabet are
// more frequent.
func (w *words) letters(alphabet []rune, n int) string {
	r := make([]rune, n)
	for i := range r {
		f := w.Float64()
		r[i] = alphabet[int(f*f*float64(len(alphabet)))]
	}
	return string(r)
}

var (
	cyrillicLetters = []rune("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъ")
	latinLetters    = []rune("enisratdhulcgmobwfkzvpäüößéèàçñíóáłąęøå")
	hanLetters      = []rune("的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏")
)

func foreign(w *words) string {
	text := w.letters(hanLetters, 8+w.IntN(20)) + "，" + w.letters(hanLetters, 4+w.IntN(9)) + "。"
	if w.IntN(2) == 0 {
		text = w.letters(latinLetters, 5) + " " + w.letters(latinLetters, 9) + " " + w.letters(latinLetters, 3)
	}
	return fmt.Sprintf(`{"id":%d,"user":"%s","text":"%s"}`, w.IntN(100000), w.letters(latinLetters, 6), text)
}

func cyrillic(w *words) string {
	return w.letters(cyrillicLetters, 1+w.IntN(10)) + pick(w, []string{"", "", "", ",", "."})
}

// binaryRecord is like MessagePack or protocol buffers: tags, small numbers,
// floats, short strings.
func binaryRecord(w *words) string {
	b := []byte{0x08, byte(w.IntN(128)), 0x12, 6}
	b = append(b, w.letters(latinLetters[:20], 6)...)
	b = binary.AppendUvarint(append(b, 0x18), uint64(w.IntN(1<<w.IntN(24))))
	b = binary.LittleEndian.AppendUint32(append(b, 0x25), uint32(w.n*40))
	b = binary.LittleEndian.AppendUint64(append(b, 0x29), uint64(w.Int64N(1<<40))<<12)
	return string(append(b, 0, 0, 0xff))
}

// message returns about size bytes of the kind.
func (k *kind) message(w *words, size int) []byte {
	b := []byte(k.open)
	for len(b) < size {
		if len(b) > len(k.open) {
			b = append(b, k.next...)
		}
		b = append(b, k.make(w)...)
		w.n++
	}
	return b
}
