"""British spellings and their American ones.

The words are those of the list that whisper's normaliser names as its source, the "comprehensive list of American and British
spelling differences" of tysto.com (https://www.tysto.com/uk-us-spelling-list.html), taken apart here into stems and endings,
without its slips (docs/normalisers.md). The three large families take every ending that their stems can have, so that
inflections which the list left out (apologiser, labeller) are covered too; for the rest each ending is given.
"""

import functools

_ISE = """
accessor acclimat aggrand agon amort anglic annual antagon apolog appet author bapt bastard bowdler brutal canal
cannibal canon capital caramel carbon categor cauter central character circular civil collectiv colon commercial
compartmental computer conceptual contextual criminal critic crystall custom decentral decriminal dehuman demilitar
demobil democrat demon demoral denational deodor depersonal deput desensit destabil digit disorgan dramat econom
editorial empath emphas energ epitom equal eulog evangel exorc extempor external factor familiar fantas femin fertil
fictional final formal fossil fratern galvan general ghetto glamor global harmon homogen hospital human hybrid
hypnot hypothes ideal idol immobil immortal immun individual industrial initial institutional intellectual internal
international ion italic item jeopard legal legitim liberal lion liquid local magnet marginal material maxim mechan
memor memorial mesmer metabol militar miniatur minim mobil modern moistur monopol moral motor national natural
neutral normal optim organ ostrac overemphas oxid particular passiv pasteur patron pedestrian penal personal
philosoph plagiar polar politic popular pressur priorit privat professional propagand proselyt public pulver radical
random rational real recogn regular reorgan revital revolution rhapsod ritual romantic sanit satir scandal scrutin
secular sensational sensit sentimental serial sermon signal social sodom solemn special stabil standard steril
stigmat subsid summar symbol sympath synchron synthes systemat tantal tempor tender terror theor transistor traumat
trivial tyrann unauthor uncivil underutil union unorgan unrecogn urban util vandal vapor verbal victim visual vocal
vulcan vulgar western woman
"""
_YSE = "anal breathal catal paral psychoanal"
_ISE_ENDINGS = "e ed es ing er ers ation ations ational able ably ance ingly ement"

_DOUBLED = """
backpedal bedevil bejewel bevel cancel carol cavil channel chisel council counsel cruel cudgel dial disembowel
dishevel drivel duel enamel funnel gambol gravel grovel gruel impanel imperil initial jewel label level libel
marshal marvel model panel parcel pedal pencil pummel quarrel ravel refuel remodel revel rival shovel shrivel signal
snivel snorkel spiral squirrel stencil swivel tassel towel travel trial tunnel unequal unravel unrival untrammel
weasel yodel
"""
_DOUBLED_ENDINGS = "ed ing er ers est ingly ist ists or ors ous ously"

# British stem, American stem, endings; - is none
_OTHERS = """
accoutrements accouterments -; ae e on ons sthete sthetes sthetic sthetically sthetics tiology;
aerogramme aerogram - s; aeroplane airplane - s; ageing aging -; almanack almanac - s; aluminium aluminum -;
amphitheatre amphitheater - s;
anae ane mia mic sthesia sthetic sthetics sthetist sthetists sthetize sthetized sthetizes sthetizing;
anaesthetis anesthetiz e ed es ing; analogue analog - s; appal appall - s; arbour arbor - s;
archaeolog archeolog ical ically ist ists y; ardour ardor -; armour armor - ed er ers ies y; artefact artifact - s;
axe ax -; bannister banister - s; battleax battleaxe -; baulk balk - ed ing s;
behaviour behavior - al ism ist ists s; behove behoove - d s; belabour belabor - ed ing s; bevv bev ies y;
biass bias ed ing; bingeing binging -; bougainvillaea bougainvillea - s; buss bus es ing; caesarean cesarean - s;
calibre caliber - s; calli cali per pers sthenics; cancelation cancellation - s; candour candor -;
catalogu catalog ed ing; catalogue catalog - s; centigramme centigram - s; centilitre centiliter - s;
centimetre centimeter - s; centre center - fold folds piece pieces s; centred centered -;
cheque check - book books s; chequered checkered -; chilli chili -; chimaera chimera - s; clamour clamor - ed ing s;
clangour clangor -; clarinettist clarinetist - s;
colour color - ant ants ed eds ful fully ing ize ized izes izing less s; connexion connection - s;
cos coz ier ies iest ily iness y; crenelated crenellated -; cypher cipher - s; defence defense - less s;
demeanour demeanor -; dialogue dialog - s; diarrhoea diarrhea -; disc disk - s; discolour discolor - ed ing s;
disfavour disfavor -; dishonour dishonor - able ably ed ing s; distil distill - s;
draught draft - board boards ier iest s sman smanship smen swoman swomen y; edoema edema -; enamoured enamored -;
encyclopaedi encyclopedi a as c; endeavour endeavor - ed ing s; enrol enroll - s; enthral enthrall - s;
epaulette epaulet - s; epicentre epicenter - s; epilogue epilog - s; faec fec al es;
favour favor - able ably ed ing ite ites itism s; fervour fervor -; fibre fiber - glass s; fillet filet - ed ing s;
flautist flutist - s; flavour flavor - ed ing ings less s some; foet fet al id us uses; fulfil fulfill - ment s;
gag gaug e ed es ing; gaol jail - bird birds break breaks ed er ers ing s; gasses gases -; gipsies gypsies -;
glamor glamour -; glueing gluing -; goitre goiter - s; gonorrhoea gonorrhea -; gramme gram - s;
grey gray - ed ing ish ness s; groyne groin - s; gryphon griffin - s; gynaecolog gynecolog ical ist ists y;
haem hem atological atologist atologists atology oglobin ophilia ophiliac ophiliacs orrhage orrhaged orrhages orrhaging orrhoids;
harbour harbor - ed ing s; homoeopath homeopath - ic s y; honour honor - able ably ed ing s;
humour humor - ed ing less s; inflexion inflection - s; instal install - ment ments s; instil instill - s;
jewellery jewelry -; judgement judgment -; kilogramme kilogram - s; kilometre kilometer - s;
labour labor - ed er ers ing s; lacklustre lackluster -; leukaemia leukemia -; licenc licens e ed es ing;
likeable likable -; litre liter - s; louvre louver - s; louvred louvered -; lustre luster -;
manoeuvr maneuver ability able ed ing ings; manoeuvre maneuver - s; meagre meager -; mediaeval medieval -;
metre meter - s; micrometre micrometer - s; milligramme milligram - s; millilitre milliliter - s;
millimetre millimeter - s; minibusses minibuses -; misbehaviour misbehavior -; misdemeanour misdemeanor - s;
misspelt misspelled -; mitre miter - s; monologue monolog - s;
moul mol d ded der dered dering ders dier diest ding dings ds dy t ted ting ts; moustach mustach e ed es ioed;
multicoloured multicolored -; neighbour neighbor - hood hoods ing liness ly s; odour odor - less s;
oes es ophagus ophaguses trogen; offence offense - s; omelette omelet - s; orthopaedic orthopedic - s;
outmanoeuvr outmaneuver ed ing; outmanoeuvre outmaneuver - s;
paed ped erast erasts iatric iatrician iatricians iatrics ophile ophiles ophilia;
palaeo paleo lithic ntologist ntologists ntology; parlour parlor - s; pharmacopoeia pharmacopeia - s;
philtre filter - s; phoney phony -; plough plow - ed ing man men s share shares; pouffe pouf - s;
practis practic e ed es ing; praesidium presidium - s; pretence pretense - s; primaeval primeval -;
programme program - s; prologue prolog - s; pyjama pajama - s; pzazz pizzazz -; rancour rancor -;
reconnoitr reconnoiter ed ing; reconnoitre reconnoiter - s; remould remold - ed ing s; rigour rigor - s;
rumour rumor - ed s; sabre saber - s; saltpetre saltpeter -; saviour savior - s; savour savor - ed ies ing s y;
sceptic skeptic - al ally ism s; sceptre scepter - s; sepulchre sepulcher - s; sheikh sheik -;
smoulder smolder - ed ing s; snowplough snowplow - s; sombre somber -; spectre specter - s; splendour splendor - s;
storey story -; storeys stories -; succour succor - ed ing s; sulph sulf ate ates ide ides ur urous;
syphon siphon - ed ing s; technicolour technicolor -; theatre theater - goer goers s; tonne ton - s;
toxaemia toxemia -; tranquilli tranquili ty ze zed zer zers zes zing; tranquillis tranquiliz e ed er ers es ing;
travelog travelogue - s; tricolour tricolor - s; tumour tumor - s; tyre tire - s; unfavourabl unfavorabl e y;
unsavoury unsavory -; valour valor -; vapour vapor - s; videodisc videodisk - s; vigour vigor -; waggon wagon - s;
watercolour watercolor - s; wooll wool en ens ies y; worshipp worship ed er ing; yoghourt yogurt - s;
yoghurt yogurt - s
"""


@functools.cache
def american_spellings() -> dict[str, str]:
    """American spelling of each British one, lower case; no American spelling is itself a key."""
    spellings = {}
    for middle, stems in (("i", _ISE), ("y", _YSE)):
        for stem in stems.split():
            for ending in _ISE_ENDINGS.split():
                spellings[f"{stem}{middle}s{ending}"] = f"{stem}{middle}z{ending}"
    for stem in _DOUBLED.split():
        for ending in _DOUBLED_ENDINGS.split():
            spellings[f"{stem}l{ending}"] = stem + ending
    for family in _OTHERS.split(";"):
        british, american, *endings = family.split()
        for ending in endings:
            ending = ending.strip("-")
            spellings[british + ending] = american + ending
    return spellings
