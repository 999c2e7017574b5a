update k set s=2 where id=1;
insert into k select 2,s,t,o,va,ca,da,bya,by,ia,bia,ja,jba,h,u,j,jb,x,ct,tsv,ta from k where id=1;
update k set s=3 where id=2; update k set jb=null, o=null where id=2; update k set id=9 where id=2; delete from k where id=1;
