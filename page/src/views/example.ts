// Lists to try the page with: words that belong to nobody.

export interface Example { name: string; what: string; lines: string }

export const EXAMPLES: readonly Example[] = [
  {
    name: "dinosaurs", what: "dinosaurs",
    lines: `Abelisaurus Achelousaurus Acrocanthosaurus Albertosaurus Allosaurus Amargasaurus Anchiceratops Ankylosaurus
Apatosaurus Archaeopteryx Argentinosaurus Baryonyx Brachiosaurus Brontosaurus Camarasaurus Camptosaurus Carcharodontosaurus
Carnotaurus Centrosaurus Ceratosaurus Chasmosaurus Coelophysis Compsognathus Concavenator Corythosaurus Cryolophosaurus
Dacentrurus Daspletosaurus Deinocheirus Deinonychus Dilophosaurus Diplodocus Dromaeosaurus Dryosaurus Edmontosaurus
Einiosaurus Eoraptor Euoplocephalus Gallimimus Gargoyleosaurus Gastonia Giganotosaurus Gorgosaurus Hadrosaurus
Herrerasaurus Heterodontosaurus Hypsilophodon Iguanodon Kentrosaurus Lambeosaurus Lesothosaurus Maiasaura Mamenchisaurus
Massospondylus Megalosaurus Microraptor Monolophosaurus Muttaburrasaurus Nodosaurus Ornithomimus Ouranosaurus Oviraptor
Pachycephalosaurus Pachyrhinosaurus Parasaurolophus Pentaceratops Plateosaurus Protoceratops Psittacosaurus
Rugops Saltasaurus Saurolophus Sauropelta Scelidosaurus Shunosaurus Sinosauropteryx Sinraptor Spinosaurus Stegoceras
Stegosaurus Struthiomimus Stygimoloch Styracosaurus Suchomimus Supersaurus Talarurus Tarbosaurus Therizinosaurus
Thescelosaurus Torosaurus Triceratops Troodon Tsintaosaurus Tyrannosaurus Utahraptor Velociraptor Vulcanodon Yangchuanosaurus`,
  },
  {
    name: "English villages", what: "English villages and small towns",
    lines: `Abbotsbury Aldbury Alfriston Amberley Ampleforth Arkengarthdale Ashwell Askrigg Avebury Aysgarth Bakewell Bamburgh
Bampton Banham Beadnell Beaulieu Beer Bibury Biddenden Blakeney Blanchland Blisland Bolventor Boscastle Bosham Bourton
Brancaster Bredon Broadway Burford Burnsall Burton Burwash Cartmel Castleton Cavendish Cerne Charlbury Chawton
Chiddingstone Chideock Chilham Clapham Clovelly Cockington Coxwold Crantock Cropredy Dedham Dent Dunster Dunwich
Easington Edensor Elmley Elterwater Eyam Fairford Finchingfield Flamborough Fordwich Fotheringhay Goathland Godshill
Grasmere Grassington Guiting Hambleden Harome Hartland Hathersage Hawkshead Haworth Helmsley Heptonstall Heydon
Holkham Hutton Ilmington Kersey Kettlewell Kimbolton Kirkby Lacock Lavenham Lindisfarne Linton Longnor Lustleigh
Lydford Malham Mapledurham Mells Mevagissey Milburn Minchinhampton Montacute Mousehole Muker Naunton Northleach Nunney
Orford Painswick Pembridge Pluckley Polperro Porlock Portloe Ravenglass Reeth Ripley Rodmell Rye Saltaire Sandwich
Sedbergh Selworthy Shere Slad Slaidburn Snowshill Southwold Staithes Stanton Steyning Stow Stowey Swaledale Swinbrook
Tetbury Tew Thaxted Thornton Tideswell Tissington Tolpuddle Turville Uffington Walberswick Warkworth Wendens Weobley
Wherwell Whitby Widecombe Winchcombe Winster Winterborne Withypool Woodstock Worth Wycoller Yarm Yoxford Zennor`,
  },
  {
    name: "German birds", what: "German names of birds",
    lines: `Amsel Auerhuhn Austernfischer Bachstelze Bartmeise Baumpieper Bekassine Bergfink Beutelmeise Bienenfresser
Birkenzeisig Birkhuhn Blässhuhn Blaukehlchen Blaumeise Bluthänfling Brachvogel Brandgans Braunkehlchen Buchfink Buntspecht
Dohle Dorngrasmücke Drosselrohrsänger Eichelhäher Eisvogel Elster Erlenzeisig Fasan Feldlerche Feldschwirl Feldsperling
Fichtenkreuzschnabel Fischadler Fitis Flussregenpfeifer Flussseeschwalbe Flussuferläufer Gänsesäger Gartenbaumläufer
Gartengrasmücke Gartenrotschwanz Gebirgsstelze Gelbspötter Gimpel Girlitz Goldammer Grauammer Graugans Graureiher
Grauschnäpper Grauspecht Großtrappe Grünfink Grünspecht Habicht Halsbandschnäpper Haselhuhn Haubenlerche Haubenmeise
Haubentaucher Hausrotschwanz Haussperling Heckenbraunelle Heidelerche Höckerschwan Hohltaube Kampfläufer Karmingimpel
Kernbeißer Kiebitz Klappergrasmücke Kleiber Kleinspecht Knäkente Kohlmeise Kolkrabe Kormoran Kornweihe Kranich Krickente
Kuckuck Lachmöwe Löffelente Mauersegler Mäusebussard Mehlschwalbe Misteldrossel Mittelspecht Mönchsgrasmücke Nachtigall
Nebelkrähe Neuntöter Ortolan Pfeifente Pirol Rabenkrähe Raubwürger Rauchschwalbe Raufußkauz Rebhuhn Reiherente Ringdrossel
Ringeltaube Rohrammer Rohrdommel Rohrweihe Rotdrossel Rotkehlchen Rotmilan Saatkrähe Sandregenpfeifer Schafstelze
Schellente Schilfrohrsänger Schleiereule Schnatterente Schwanzmeise Schwarzkehlchen Schwarzmilan Schwarzspecht
Schwarzstorch Seeadler Silberreiher Singdrossel Sommergoldhähnchen Sperber Sperlingskauz Star Steinadler Steinkauz
Steinschmätzer Stieglitz Stockente Sumpfmeise Sumpfrohrsänger Tafelente Tannenhäher Tannenmeise Teichhuhn Teichrohrsänger
Trauerschnäpper Türkentaube Turmfalke Turteltaube Uferschwalbe Uhu Wacholderdrossel Wachtel Waldbaumläufer Waldkauz
Waldlaubsänger Waldohreule Waldschnepfe Wanderfalke Wasseramsel Wasserralle Weidenmeise Weißstorch Wendehals Wespenbussard
Wiedehopf Wiesenpieper Wintergoldhähnchen Zaunkönig Ziegenmelker Zilpzalp Zwergtaucher`,
  },
].map((example) => ({ ...example, lines: example.lines.split(/\s+/).join("\n") }));
